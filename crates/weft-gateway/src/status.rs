//! The one table from a code to a status. Nothing else in Weft chooses the status of a failure.

use http::StatusCode;
use weft_types::{Code, code};

/// The status that says `code` to an HTTP client.
///
/// A code that no request can meet (a manifest's, a command's) is a fault of ours if it ever arrives here.
pub fn status(code: Code) -> StatusCode {
    EDGE.iter().find(|(known, _)| *known == code).map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
}

/// Every code that a request can meet.
const EDGE: &[(Code, StatusCode)] = &[
    // The caller's.
    (code::BAD_REQUEST, StatusCode::BAD_REQUEST),
    (code::BAD_PATH, StatusCode::BAD_REQUEST),
    (code::UNAUTHENTICATED, StatusCode::UNAUTHORIZED),
    (code::ADDRESS_REFUSED, StatusCode::FORBIDDEN),
    (code::ORIGIN_REFUSED, StatusCode::FORBIDDEN),
    (code::UPGRADE_REFUSED, StatusCode::BAD_REQUEST),
    (code::CREDENTIAL_INVALID, StatusCode::UNAUTHORIZED),
    (code::CREDENTIAL_EXPIRED, StatusCode::UNAUTHORIZED),
    (code::LOGIN_FAILED, StatusCode::FORBIDDEN),
    (code::FORBIDDEN, StatusCode::FORBIDDEN),
    (code::NO_ROUTE, StatusCode::NOT_FOUND),
    (code::NOT_FOUND, StatusCode::NOT_FOUND),
    (code::METHOD_NOT_ALLOWED, StatusCode::METHOD_NOT_ALLOWED),
    (code::REQUEST_TIMEOUT, StatusCode::REQUEST_TIMEOUT),
    (code::BODY_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE),
    (code::RANGE_NOT_SATISFIABLE, StatusCode::RANGE_NOT_SATISFIABLE),
    (code::RATE_LIMITED, StatusCode::TOO_MANY_REQUESTS),
    (code::HEAD_TOO_LARGE, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    // Nobody is left to read this one: it is for logs and metrics.
    (code::CLIENT_GONE, StatusCode::BAD_REQUEST),
    // The component's.
    (code::GUEST_TRAP, StatusCode::INTERNAL_SERVER_ERROR),
    (code::GUEST_EXIT, StatusCode::INTERNAL_SERVER_ERROR),
    (code::GUEST_NO_RESPONSE, StatusCode::INTERNAL_SERVER_ERROR),
    (code::GUEST_BODY_FAILED, StatusCode::INTERNAL_SERVER_ERROR),
    (code::CPU_LIMIT, StatusCode::INTERNAL_SERVER_ERROR),
    (code::MEMORY_LIMIT, StatusCode::INTERNAL_SERVER_ERROR),
    (code::DEPTH_EXCEEDED, StatusCode::INTERNAL_SERVER_ERROR),
    (code::DENIED, StatusCode::INTERNAL_SERVER_ERROR),
    (code::STORE_CONFLICT, StatusCode::INTERNAL_SERVER_ERROR),
    (code::STORE_INVALID, StatusCode::INTERNAL_SERVER_ERROR),
    // Its answer, or that of what it asked, is wrong.
    (code::GUEST_BAD_RESPONSE, StatusCode::BAD_GATEWAY),
    (code::GUEST_ERROR, StatusCode::BAD_GATEWAY),
    (code::UPSTREAM_UNREACHABLE, StatusCode::BAD_GATEWAY),
    (code::UPSTREAM_BAD_ANSWER, StatusCode::BAD_GATEWAY),
    (code::UPSTREAM_LOST, StatusCode::BAD_GATEWAY),
    // Time.
    (code::DEADLINE_EXCEEDED, StatusCode::GATEWAY_TIMEOUT),
    (code::IDLE_TIMEOUT, StatusCode::GATEWAY_TIMEOUT),
    (code::LIFETIME_EXCEEDED, StatusCode::GATEWAY_TIMEOUT),
    (code::NOT_CACHED, StatusCode::GATEWAY_TIMEOUT),
    // Not now.
    (code::INSTANCE_LOST, StatusCode::SERVICE_UNAVAILABLE),
    (code::OVERLOADED, StatusCode::SERVICE_UNAVAILABLE),
    (code::IDENTITY_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE),
    (code::BREAKER_OPEN, StatusCode::SERVICE_UNAVAILABLE),
    (code::FAULT_INJECTED, StatusCode::SERVICE_UNAVAILABLE),
    (code::DRAINING, StatusCode::SERVICE_UNAVAILABLE),
    (code::NOT_DEPLOYED, StatusCode::SERVICE_UNAVAILABLE),
    (code::COMPONENT_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE),
    (code::STORE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE),
    (code::STORE_FULL, StatusCode::SERVICE_UNAVAILABLE),
    // Ours.
    (code::STORE_CORRUPT, StatusCode::INTERNAL_SERVER_ERROR),
    (code::UNKNOWN_OUTCOME, StatusCode::INTERNAL_SERVER_ERROR),
    (code::INTERNAL, StatusCode::INTERNAL_SERVER_ERROR),
];

/// Codes of manifests, artefacts and commands, which no request meets.
#[cfg(test)]
const NEVER_HTTP: &[Code] = &[
    code::MANIFEST_SYNTAX,
    code::MANIFEST_UNKNOWN_KEY,
    code::MANIFEST_TYPE,
    code::MANIFEST_MISSING,
    code::MANIFEST_REFERENCE,
    code::MANIFEST_DUPLICATE,
    code::MANIFEST_UNSUPPORTED,
    code::FILE_MISSING,
    code::ROUTE_CONFLICT,
    code::NOT_WASM,
    code::CORE_MODULE,
    code::UNSUPPORTED_COMPONENT,
    code::UNKNOWN_IMPORT,
    code::NO_HANDLER,
    code::BUILD_FAILED,
    code::TOOL_MISSING,
    code::PORT_TAKEN,
    code::DATA_LOCKED,
    code::DATA_UNUSABLE,
    code::TLS_INVALID,
    code::SECRET_MISSING,
    code::KEYS_INVALID,
    code::POLICY_INVALID,
    code::NODE_UNREACHABLE,
    code::UNKNOWN_APPLICATION,
    code::USAGE,
    code::SLO_MISSED,
    code::EXPERIMENT_BROKEN,
    code::EXPERIMENT_VOID,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use weft_types::{Blame, CODES};

    use super::*;

    #[test]
    fn every_code_is_in_the_table_or_known_never_to_reach_http() {
        let edge: HashSet<Code> = EDGE.iter().map(|(code, _)| *code).collect();
        assert_eq!(edge.len(), EDGE.len(), "a code twice");
        for info in CODES {
            let code = Code::find(info.name).expect("listed");
            assert_ne!(edge.contains(&code), NEVER_HTTP.contains(&code), "{code}: in exactly one of the two lists");
        }
    }

    #[test]
    fn the_first_digit_says_whose_fault_it_is() {
        for (code, status) in EDGE {
            let callers = matches!(code.info().blame, Blame::Caller);
            assert_eq!(callers, status.is_client_error(), "{code} {status}");
            assert_eq!(!callers, status.is_server_error(), "{code} {status}");
        }
    }
}
