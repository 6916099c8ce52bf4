//! `weft top`: what a node is doing now, by route, component and upstream.

mod rates;
mod scrape;

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use clap::Args;
use weft_api::path;
use weft_types::code;

use crate::{
    args::Format,
    client::{Admin, Target},
    failure::Failure,
    output,
};
use rates::{Look, Row};
use scrape::Scrape;

/// The terminal's other screen, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left, and what is below goes.
const HOME: &str = "\x1b[H\x1b[J";

/// Show what a running node does now: rates, errors, latencies, queues, by route, component and upstream.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft top                              until it is told to stop\n  weft top --once                       one look, over two seconds\n  weft top --once --format json orders  of one application, for programs"
)]
pub(crate) struct Top {
    /// Only this application.
    #[arg(value_name = "APPLICATION")]
    application: Option<String>,
    /// One look, and no more. Of course where the output is no terminal.
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    every: u64,
    #[command(flatten)]
    target: Target,
}

impl Top {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let live = !self.once && format == Format::Text && std::io::stdout().is_terminal();
        super::block_on(async {
            let admin = self.target.find()?;
            if !live {
                let before = scrape(&admin).await?;
                tokio::time::sleep(Duration::from_secs(self.every)).await;
                let look = self.look(&before, &scrape(&admin).await?);
                return output::print(format, &look, |look| shown(look, usize::MAX));
            }
            // Whoever stops us gets the terminal back as it was.
            tokio::select! {
                ended = self.watch(&admin) => ended,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }

    async fn watch(&self, admin: &Admin) -> Result<(), Failure> {
        let mut before = scrape(admin).await?;
        let _screen = Screen::enter();
        loop {
            tokio::time::sleep(Duration::from_secs(self.every)).await;
            let now = scrape(admin).await?;
            let text = shown(&self.look(&before, &now), height());
            let mut out = std::io::stdout().lock();
            if out.write_all(format!("{HOME}{}", text.trim_end()).as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(());
            }
            before = now;
        }
    }

    fn look(&self, before: &(Instant, Scrape), now: &(Instant, Scrape)) -> Look {
        let mut look = Look::between(&before.1, &now.1, now.0 - before.0);
        if let Some(only) = &self.application {
            look.keep(only);
        }
        look
    }
}

async fn scrape(admin: &Admin) -> Result<(Instant, Scrape), Failure> {
    let text = admin.text(path::METRICS).await?;
    let read = Scrape::read(&text);
    let read =
        read.ok_or_else(|| Failure::new(code::NODE_UNREACHABLE, path::METRICS, "what the node says is no metrics"))?;
    Ok((Instant::now(), read))
}

/// The terminal's other screen for as long as this lives, so that what was there comes back.
struct Screen;

impl Screen {
    fn enter() -> Self {
        let _ = std::io::stdout().write_all(ENTER.as_bytes());
        Self
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = std::io::stdout();
        let _ = out.write_all(LEAVE.as_bytes());
        let _ = out.flush();
    }
}

/// Lines of the terminal, as far as it is known.
fn height() -> usize {
    let said = || std::env::var("LINES").ok()?.parse().ok();
    let asked = || {
        let out = std::process::Command::new("stty").arg("size").stdin(std::process::Stdio::inherit()).output().ok()?;
        String::from_utf8(out.stdout).ok()?.split(' ').next()?.parse().ok()
    };
    said().or_else(asked).filter(|lines| *lines > 4).unwrap_or(24)
}

/// At most `lines` of them: the busiest come first in each table, and what does not fit is counted.
fn shown(look: &Look, lines: usize) -> String {
    let mut text = format!(
        "{} requests/s, {} active, {} connections, cpu {:.0}%, memory {}\n",
        number(look.rate),
        look.active,
        look.connections,
        look.cpu * 100.0,
        size(look.memory)
    );
    let tables = [
        ("routes", &look.routes, ["rate", "errors", "p50", "p99", "active", "sockets"].as_slice()),
        (
            "components",
            &look.components,
            &["rate", "errors", "p50", "p99", "active", "queue", "shed", "instances", "memory"],
        ),
        ("upstreams", &look.upstreams, &["rate", "errors", "active", "queue", "retries", "breaker", "up"]),
    ];
    let left = lines.saturating_sub(2);
    let wanted: usize = tables.iter().filter(|(_, rows, _)| !rows.is_empty()).map(|(_, rows, _)| rows.len() + 2).sum();
    let each = if wanted <= left { usize::MAX } else { (left / 3).saturating_sub(3).max(1) };
    for (title, rows, columns) in tables {
        if rows.is_empty() {
            continue;
        }
        let head = std::iter::once(title).chain(columns.iter().copied()).map(str::to_owned).collect();
        let mut cells: Vec<Vec<String>> = vec![head];
        cells.extend(rows.iter().take(each).map(|row| line(row, columns)));
        text.push_str(&format!("\n{}", output::table(&cells)));
        if rows.len() > each {
            text.push_str(&format!("and {} more\n", rows.len() - each));
        }
    }
    text
}

fn line(row: &Row, columns: &[&str]) -> Vec<String> {
    let cell = |column: &&str| match *column {
        "rate" => format!("{}/s", number(row.rate)),
        "errors" => row.errors.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0)),
        "p50" => time(row.p50),
        "p99" => time(row.p99),
        "active" => row.active.to_string(),
        "sockets" => row.sockets.to_string(),
        "queue" => row.queue.to_string(),
        "shed" => format!("{}/s", number(row.shed)),
        "instances" => row.instances.to_string(),
        "memory" => size(row.memory),
        "retries" => format!("{}/s", number(row.retries)),
        "breaker" => row.breaker.clone().unwrap_or_else(|| "-".to_owned()),
        _ => format!("{}/{}", row.endpoints_up, row.endpoints),
    };
    // A name comes from a manifest that somebody else may have written.
    let name = row.name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    std::iter::once(name).chain(columns.iter().map(cell)).collect()
}

fn number(value: f64) -> String {
    if value >= 100.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(long) if long >= 1.0 => format!("{long:.2}s"),
        Some(short) if short >= 0.001 => format!("{:.1}ms", short * 1e3),
        Some(tiny) => format!("{:.0}us", tiny * 1e6),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        0.0 => "-".to_owned(),
        big if big >= 1024.0 * 1024.0 * 1024.0 => format!("{:.1}GiB", big / (1024.0 * 1024.0 * 1024.0)),
        some => format!("{:.1}MiB", some / (1024.0 * 1024.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_fits_the_terminal_and_the_busiest_come_first() {
        let row = |name: &str, rate| Row { name: name.to_owned(), rate, ..Row::default() };
        let routes = (0..50).map(|n| row(&format!("shop /{n}"), f64::from(50 - n))).collect();
        let look = Look { rate: 1275.0, routes, ..Look::default() };
        let text = shown(&look, 20);
        assert!(text.lines().count() <= 20, "{text}");
        assert!(text.contains("shop /0 ") && !text.contains("shop /49 ") && text.contains(" more\n"), "{text}");
        assert!(shown(&look, usize::MAX).contains("shop /49 "));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!((number(0.0), number(1.25), number(1234.5)), ("0".into(), "1.2".into(), "1234".into()));
        assert_eq!(
            (time(None), time(Some(0.00005)), time(Some(0.0123)), time(Some(2.5))),
            ("-".into(), "50us".into(), "12.3ms".into(), "2.50s".into())
        );
        assert_eq!((size(0.0), size(1_572_864.0)), ("-".into(), "1.5MiB".into()));
    }
}
