//! From what went wrong on the wire to a fault that says whether the other service may have acted.

use std::{error::Error as StdError, io};

use h2::Reason;
use hyper_util::client::legacy;
use weft_types::{Blame, Class, Fault, Ran, code};

/// The first error of a type in a chain of causes.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

/// Why a request has no answer.
pub(crate) fn of_request(error: legacy::Error) -> Fault {
    if error.is_connect() {
        let detail = StdError::source(&error).map_or_else(|| error.to_string(), chain);
        return Fault::new(code::UPSTREAM_UNREACHABLE, Ran::No).detail(detail).source(error);
    }
    // The request's own body failed: its reason is the reason.
    if let Some(own) = find::<Fault>(&error) {
        return Fault::new(own.code, Ran::Maybe).detail(own.detail.clone());
    }
    let detail = chain(&error);
    // In TLS 1.3 a client has sent its request by the time that a server tells it that it is not welcome.
    if is_unwelcome(&error) {
        return Fault::new(code::UPSTREAM_UNREACHABLE, Ran::No).detail(detail).source(error);
    }
    // RFC 9113, 8.7: such a stream was not processed.
    if reason(&error) == Some(Reason::REFUSED_STREAM) {
        return Fault::new(code::UPSTREAM_LOST, Ran::No).detail(detail).source(error);
    }
    let code = if is_wrong(&error) { code::UPSTREAM_BAD_ANSWER } else { code::UPSTREAM_LOST };
    Fault::new(code, Ran::Maybe).detail(detail).source(error)
}

/// Why an answer's body broke off.
pub(crate) fn of_body(error: hyper::Error) -> Fault {
    let code = if is_wrong(&error) { code::UPSTREAM_BAD_ANSWER } else { code::UPSTREAM_LOST };
    Fault::new(code, Ran::Yes).detail(chain(&error)).source(error)
}

/// An answer that nobody may pass on.
pub(crate) fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(code::UPSTREAM_BAD_ANSWER, Ran::Yes).detail(detail)
}

/// How it is judged: what is the caller's fault says nothing of the upstream.
pub(crate) fn class(fault: &Fault) -> Class {
    match (fault.code, fault.blame) {
        (code::BREAKER_OPEN, _) => Class::Shed,
        (code::FAULT_INJECTED, _) => weft_fault::class(fault),
        (_, Blame::Caller) => Class::CallerFault,
        _ => Class::Failure,
    }
}

/// Whether the service did not believe who we are.
fn is_unwelcome(error: &(dyn StdError + 'static)) -> bool {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        DecryptError, UnknownCA, UnsupportedCertificate,
    };
    let inner = find::<io::Error>(error).and_then(io::Error::get_ref);
    let Some(rustls::Error::AlertReceived(alert)) = inner.and_then(|inner| inner.downcast_ref()) else { return false };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate
    )
}

/// Whether what came is no HTTP, and not merely too little of it.
fn is_wrong(error: &(dyn StdError + 'static)) -> bool {
    let parsed = find::<hyper::Error>(error).is_some_and(|error| error.is_parse() && !error.is_incomplete_message());
    let chunk = find::<io::Error>(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
    let stream = matches!(
        reason(error),
        Some(
            Reason::PROTOCOL_ERROR | Reason::FLOW_CONTROL_ERROR | Reason::FRAME_SIZE_ERROR | Reason::COMPRESSION_ERROR
        )
    );
    parsed || chunk || stream
}

fn reason(error: &(dyn StdError + 'static)) -> Option<Reason> {
    find::<h2::Error>(error).and_then(h2::Error::reason)
}

/// An error with its causes, for the operator.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let (mut text, mut at) = (error.to_string(), error.source());
    while let Some(error) = at {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        at = error.source();
    }
    text
}
