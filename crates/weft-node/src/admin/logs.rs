//! The latest lines of the log.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use weft_api::{LogLevel, LogQuery};
use weft_telemetry::logs::{Level, Page, Wanted};
use weft_types::code;

use super::{
    Admin,
    answer::{Answer, bytes, problem},
};

/// Lines in an answer where nobody says how many.
const LINES: u32 = 100;

impl Admin {
    pub(super) async fn logs(&self, query: &str) -> Answer {
        let query = LogQuery::parse(query).map_err(|error| problem(code::BAD_REQUEST, error.to_string()))?;
        let Some(logs) = &self.node.telemetry.logs else {
            return Err(problem(code::NOT_FOUND, "this node keeps no log"));
        };
        let (history, max) = (Arc::clone(logs.history()), query.max.unwrap_or(LINES) as usize);
        let wanted = Wanted {
            application: query.application,
            component: query.component,
            invocation: query.request,
            level: query.level.map(level),
        };
        let Some(mut after) = query.after else { return Ok(shown(&history.latest(&wanted, max))) };
        let patience = Duration::from_secs(query.wait.unwrap_or(0).into());
        let found = async {
            loop {
                let page = history.after(after, &wanted, max);
                if !page.lines.is_empty() || page.missed > 0 {
                    return page;
                }
                // Lines that are not wanted need not be looked at again.
                after = page.next;
                history.grown(after).await;
            }
        };
        let found = tokio::time::timeout(patience, found).await;
        Ok(shown(&found.unwrap_or_else(|_| history.after(after, &wanted, max))))
    }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

/// A [`weft_api::LogPage`]: its lines are JSON already.
fn shown(page: &Page) -> http::Response<weft_types::Body> {
    let Page { lines, next, missed } = page;
    let lines = lines.iter().map(|line| &**line).collect::<Vec<_>>().join(",");
    bytes(StatusCode::OK, "application/json", format!(r#"{{"lines":[{lines}],"next":{next},"missed":{missed}}}"#))
}
