//! What went wrong, for the caller: `application/problem+json` of RFC 9457.

use serde::Serialize;

use crate::http::Answer;

#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    status: u16,
    title: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// The fields that are wrong, by their place in the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Wrong {
    pub(crate) pointer: String,
    pub(crate) detail: &'static str,
}

impl Problem {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), errors: Vec::new() }
    }
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "The request cannot be read.", detail)
    }
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "There is no such thing.", detail)
    }
    pub(crate) fn too_large(max: usize) -> Self {
        Self::new(413, "The body is too large.", format!("an order has at most {max} bytes"))
    }
    pub(crate) fn invalid(errors: Vec<Wrong>) -> Self {
        Self { errors, ..Self::new(422, "The order is not valid.", "") }
    }
    pub(crate) fn key_reused() -> Self {
        let detail = "this Idempotency-Key was used for another order";
        Self::new(422, "The key belongs to another request.", detail)
    }
    /// The store's own words are for the log.
    pub(crate) fn unavailable() -> Self {
        Self::new(503, "Orders cannot be kept now.", "try again with the same Idempotency-Key")
    }

    pub(crate) fn answer(&self) -> Answer {
        let answer = Answer::json(self.status, self).header("content-type", "application/problem+json");
        if self.status == 503 { answer.header("retry-after", "1") } else { answer }
    }
}
