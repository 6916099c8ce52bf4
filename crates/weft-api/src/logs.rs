//! Lines of a node's log.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Lines that one answer holds at most.
pub const LOG_LINES_MAX: u32 = 1_000;
/// Seconds that a node waits for a line at most.
pub const LOG_WAIT_MAX: u32 = 30;

/// Which lines: `?after=17&wait=10&application=orders&level=warn`. Without `after`, the last ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Lines after this number; absent: the latest.
    pub after: Option<u64>,
    /// At most so many, 1 to [`LOG_LINES_MAX`]; absent: 100.
    pub max: Option<u32>,
    /// Seconds to wait for a line where there is none, at most [`LOG_WAIT_MAX`].
    pub wait: Option<u32>,
    pub application: Option<String>,
    pub component: Option<String>,
    /// The id of a request, as answers of ours have it.
    pub request: Option<String>,
    pub level: Option<LogLevel>,
}

/// How important a line is: the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Why a query string is no [`LogQuery`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogQueryError {
    #[error(
        "there is no parameter `{0}`; there are `after`, `max`, `wait`, `application`, `component`, `request` and `level`"
    )]
    Unknown(String),
    #[error("`{key}` is {wanted}, not `{value}`")]
    Value { key: &'static str, wanted: String, value: String },
}

/// Some lines, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// Where to go on: the `after` of the next question.
    pub next: u64,
    /// Lines after `after` that were gone before they were asked for.
    pub missed: u64,
}

/// One line, as the node writes it with `--log json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    #[schema(example = "2026-11-21T09:12:13.456Z")]
    pub timestamp: String,
    pub level: LogLevel,
    /// What said it: a part of the node, or `guest.stdout`, `guest.stderr`, `guest.log`.
    pub target: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The request during which it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Whatever else was said.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl LogLevel {
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("`{text}` is no level; there are error, warn, info, debug and trace"))
    }
}

impl LogQuery {
    /// Each parameter, and what it means.
    pub const PARAMETERS: [(&'static str, &'static str); 7] = [
        ("after", "Lines after this number; absent: the latest"),
        ("max", "At most so many, 1 to 1000; absent: 100"),
        ("wait", "Seconds to wait for a line after `after` where there is none, at most 30"),
        ("application", "Lines of this application only"),
        ("component", "Lines of components of this name only"),
        ("request", "Lines of the request with this id only"),
        ("level", "This level (`error`, `warn`, `info`, `debug`, `trace`) and what is more important"),
    ];

    /// The query string, without `?`.
    pub fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let text = |value: Option<u32>| value.map(|value| value.to_string());
        let pairs = [
            ("after", self.after.map(|after| after.to_string())),
            ("max", text(self.max)),
            ("wait", text(self.wait)),
            ("application", self.application.clone()),
            ("component", self.component.clone()),
            ("request", self.request.clone()),
            ("level", self.level.map(|level| level.to_string())),
        ];
        for (key, value) in pairs {
            if let Some(value) = value {
                query.append_pair(key, &value);
            }
        }
        query.finish()
    }

    /// Reads what [`Self::to_query`] writes.
    pub fn parse(query: &str) -> Result<Self, LogQueryError> {
        let mut read = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*key {
                "after" => read.after = Some(number("after", &value, 0, u64::MAX)?),
                "max" => read.max = Some(number("max", &value, 1, LOG_LINES_MAX.into())? as u32),
                "wait" => read.wait = Some(number("wait", &value, 0, LOG_WAIT_MAX.into())? as u32),
                "application" => read.application = Some(value),
                "component" => read.component = Some(value),
                "request" => read.request = Some(value),
                "level" => {
                    let wrong = || LogQueryError::Value {
                        key: "level",
                        wanted: "error, warn, info, debug or trace".to_owned(),
                        value: value.clone(),
                    };
                    read.level = Some(LogLevel::parse(&value).ok_or_else(wrong)?);
                }
                _ => return Err(LogQueryError::Unknown(key.into_owned())),
            }
        }
        Ok(read)
    }
}

fn number(key: &'static str, value: &str, min: u64, max: u64) -> Result<u64, LogQueryError> {
    let read = value.parse().ok().filter(|number| (min..=max).contains(number));
    read.ok_or_else(|| LogQueryError::Value {
        key,
        wanted: format!("a number from {min} to {max}"),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_written() {
        let query = LogQuery {
            after: Some(7),
            max: Some(10),
            wait: Some(30),
            application: Some("a b".into()),
            component: Some("c&d".into()),
            request: Some("inv_1".into()),
            level: Some(LogLevel::Warn),
        };
        assert_eq!(LogQuery::parse(&query.to_query()), Ok(query));
        assert_eq!(LogQuery::parse(""), Ok(LogQuery::default()));
        for wrong in ["level=loud", "wait=31", "max=0", "max=1001", "after=x", "since=1"] {
            let error = LogQuery::parse(wrong).expect_err(wrong).to_string();
            let told = wrong.split('=').next().expect("a key");
            assert!(error.contains(told), "{error}");
        }
    }
}
