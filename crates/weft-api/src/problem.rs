//! What went wrong, as `application/problem+json` (RFC 9457) with our code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weft_types::Code;

/// An error answer of the admin API. The header `weft-error` carries `code` as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// Where the code is explained: a relative reference, `/errors/CODE`.
    #[serde(rename = "type")]
    #[schema(example = "/errors/route-conflict")]
    pub kind: String,
    /// The code's one sentence, without particulars.
    pub title: String,
    /// The HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable, in kebab words.
    #[schema(example = "route-conflict")]
    pub code: String,
    /// What happened this time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where it is, if it is in a file that the caller sent. More than one where two lines contradict each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The request's id, to be found in the node's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A place in a file, with lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    #[schema(example = "orders/weft.toml")]
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl Problem {
    /// What the answer's body is sent as.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    pub fn new(code: Code, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/errors/{code}"),
            title: code.info().title.to_owned(),
            status,
            code: code.as_str().to_owned(),
            detail: detail.into(),
            hint: None,
            places: Vec::new(),
            request: None,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "{}: {what}", self.code)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use weft_types::code;

    use super::*;

    #[test]
    fn a_problem_says_what_its_code_says_and_leaves_out_what_is_empty() {
        let problem = Problem::new(code::UNKNOWN_APPLICATION, 404, "");
        let json = serde_json::to_value(&problem).unwrap();
        let expected = serde_json::json!({
            "type": "/errors/unknown-application",
            "title": "The node has no such application.",
            "status": 404,
            "code": "unknown-application",
        });
        assert_eq!(json, expected);
        assert_eq!(problem.to_string(), "unknown-application: The node has no such application.");
    }
}
