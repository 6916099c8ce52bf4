//! Why a credential is not taken, in words that may be told to whoever sent it.

use http::HeaderValue;
use weft_types::{Code, code};

/// One reason. Fixed words: nothing that was sent is sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) code: Code,
    pub(crate) why: &'static str,
}

impl Denied {
    pub(crate) const fn invalid(why: &'static str) -> Self {
        Self { code: code::CREDENTIAL_INVALID, why }
    }

    pub(crate) const fn unavailable(why: &'static str) -> Self {
        Self { code: code::IDENTITY_UNAVAILABLE, why }
    }

    pub(crate) const fn expired(why: &'static str) -> Self {
        Self { code: code::CREDENTIAL_EXPIRED, why }
    }
}

/// `SCHEME realm="REALM"`, and for a credential that was not taken what was wrong (RFC 6750, 3).
pub(crate) fn challenge(scheme: &str, realm: &str, denied: Option<&Denied>) -> Option<HeaderValue> {
    let mut text = format!("{scheme} realm=\"{realm}\"");
    if let Some(denied) = denied.filter(|denied| denied.code != code::IDENTITY_UNAVAILABLE) {
        text.push_str(&format!(", error=\"invalid_token\", error_description=\"{}\"", denied.why));
    }
    HeaderValue::try_from(text).ok()
}
