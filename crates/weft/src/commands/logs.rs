//! `weft logs`: what a node and its guests said.

use std::io::Write;

use clap::Args;
use weft_api::{LOG_LINES_MAX, LogLevel, LogLine, LogPage, LogQuery, path};

use crate::{args::Format, client::Target, failure::Failure};

/// Seconds that the node is asked to wait for the next line.
const WAIT: u32 = 10;

/// Show the latest log lines of a running node and its guests.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft logs -f                        everything, as it is said\n  weft logs orders/api --level warn   of one component, what is wrong\n  weft logs --request inv_01a1fd…     what one request did: its id is in every error's body"
)]
pub(crate) struct Logs {
    /// An application, or one component of it as `application/component`.
    #[arg(value_name = "OF")]
    of: Option<String>,
    /// Go on as lines are written.
    #[arg(short, long)]
    follow: bool,
    /// Begin with so many of the latest lines.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(LOG_LINES_MAX)))]
    lines: u32,
    /// This level and what is more important: error, warn, info, debug, trace.
    #[arg(long, value_name = "LEVEL")]
    level: Option<LogLevel>,
    /// Lines of one request.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Logs {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let (application, component) = match self.of.as_deref().map(|of| of.split_once('/').unwrap_or((of, ""))) {
            Some((application, component)) => {
                (Some(application.to_owned()), Some(component.to_owned()).filter(|name| !name.is_empty()))
            }
            None => (None, None),
        };
        let mut query = LogQuery {
            application,
            component,
            level: self.level,
            request: self.request.clone(),
            max: Some(self.lines),
            ..LogQuery::default()
        };
        super::block_on(async {
            let admin = self.target.find()?;
            loop {
                let page: LogPage = admin.get(&format!("{}?{}", path::LOGS, query.to_query())).await?;
                let wanted = said(format, &page);
                if !self.follow || !wanted {
                    return Ok(());
                }
                query.after = Some(page.next);
                (query.wait, query.max) = (Some(WAIT), Some(LOG_LINES_MAX));
            }
        })
    }
}

/// Writes the lines; `false` when nobody reads them any more.
fn said(format: Format, page: &LogPage) -> bool {
    let mut text = String::new();
    if page.missed > 0 {
        eprintln!("{} lines were written faster than they could be read", page.missed);
    }
    for line in &page.lines {
        match format {
            Format::Json => text.push_str(&serde_json::to_string(line).unwrap_or_default()),
            Format::Text => text.push_str(&shown(line)),
        }
        text.push('\n');
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// For people. What a guest said comes escaped from the node only as JSON: here again, before it meets a terminal.
pub(super) fn shown(line: &LogLine) -> String {
    let mut text = format!("{} {:5} ", line.timestamp, line.level.as_str().to_uppercase());
    match (&line.application, &line.component) {
        (Some(application), Some(component)) => text.push_str(&format!("{application}/{component} ")),
        (Some(name), None) | (None, Some(name)) => text.push_str(&format!("{name} ")),
        (None, None) => {}
    }
    text.extend(line.message.chars().flat_map(plain));
    for (key, value) in &line.fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {key}="));
        text.extend(value.chars().flat_map(plain));
    }
    if let Some(id) = &line.invocation {
        text.push_str(&format!(" invocation={id}"));
    }
    text
}

/// A character as it may reach a terminal: no controls, and none of the marks that reorder text.
fn plain(c: char) -> impl Iterator<Item = char> {
    let hostile =
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = hostile.then(|| c.escape_unicode());
    escaped.into_iter().flatten().chain((!hostile).then_some(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_speak_to_the_terminal() {
        let line = LogLine {
            timestamp: "2026-11-21T00:00:00.000Z".into(),
            level: LogLevel::Warn,
            target: "guest.stdout".into(),
            message: "red \u{1b}[31m\u{202e}".into(),
            application: Some("shop".into()),
            component: Some("api".into()),
            invocation: Some("inv_1".into()),
            trace_id: None,
            span_id: None,
            fields: [("n".to_owned(), 1.into())].into_iter().collect(),
        };
        let shown = shown(&line);
        assert_eq!(shown, "2026-11-21T00:00:00.000Z WARN  shop/api red \\u{1b}[31m\\u{202e} n=1 invocation=inv_1");
    }
}
