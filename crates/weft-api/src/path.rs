//! The addresses of the admin API: written once for the node, the command line and the document.

use weft_types::{Digest, Name};

pub const APPLICATIONS: &str = "/v1/applications";
pub const APPLICATION: &str = "/v1/applications/{name}";
pub const REVISIONS: &str = "/v1/applications/{name}/revisions";
pub const ROLLBACK: &str = "/v1/applications/{name}/rollback";
pub const ARTEFACT: &str = "/v1/artefacts/{digest}";
pub const STATUS: &str = "/v1/status";
pub const ROUTES: &str = "/v1/routes";
pub const EXPLAIN: &str = "/v1/explain";
pub const REQUEST: &str = "/v1/requests/{id}";
/// Faults put in on purpose.
pub const FAULTS: &str = "/v1/faults";
pub const FAULT: &str = "/v1/faults/{number}";
pub const LOGS: &str = "/v1/logs";
/// This document itself.
pub const OPENAPI: &str = "/v1/openapi.json";
/// Need no token.
pub const METRICS: &str = "/metrics";
pub const LIVE: &str = "/healthz/live";
pub const READY: &str = "/healthz/ready";

/// `template` with its application filled in.
pub fn of_application(template: &str, name: &Name) -> String {
    template.replace("{name}", name.as_str())
}

pub fn of_fault(id: u64) -> String {
    FAULT.replace("{number}", &id.to_string())
}

pub fn of_artefact(digest: &Digest) -> String {
    ARTEFACT.replace("{digest}", &digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in() {
        let name = Name::new("orders").unwrap();
        assert_eq!(of_application(ROLLBACK, &name), "/v1/applications/orders/rollback");
        assert_eq!(of_artefact(&Digest([0xab; 32])), format!("/v1/artefacts/sha256:{}", "ab".repeat(32)));
    }
}
