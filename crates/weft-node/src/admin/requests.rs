//! What became of one request.

use http::StatusCode;
use weft_api::LogLine;
use weft_telemetry::logs::Wanted;
use weft_types::{InvocationId, code};

use super::{
    Admin,
    answer::{Answer, json, problem},
};

/// Lines of the log beside it, at most.
const LINES_MAX: usize = 50;

impl Admin {
    pub(super) fn request(&self, id: &str) -> Answer {
        let parsed = id.strip_prefix("inv_").and_then(|_| id.parse::<InvocationId>().ok());
        let parsed = parsed.ok_or_else(|| {
            problem(
                code::BAD_REQUEST,
                format!("`{id}` is no request id: `inv_` and 32 hexadecimal digits are expected"),
            )
        })?;
        let Some(mut report) = self.node.requests.find(parsed) else {
            let said = problem(code::NOT_FOUND, format!("{id} is not kept here"));
            let hint = "the latest 2,048 failed, refused and other requests are kept, each kind by itself, once they are over; ask the node that answered";
            return Err(Box::new(said.hint(hint)));
        };
        report.upstream = report.route.as_ref().and_then(|route| self.node.upstream_of(route));
        if let Some(logs) = &self.node.telemetry.logs {
            let wanted = Wanted { invocation: Some(parsed.to_string()), ..Wanted::default() };
            let lines = logs.history().latest(&wanted, LINES_MAX).lines;
            report.log = lines.iter().filter_map(|line| serde_json::from_str::<LogLine>(line).ok()).collect();
        }
        json(StatusCode::OK, &report)
    }
}
