//! Keys that an issuer publishes. A token by an unknown key fetches them again.

use std::time::Duration;

use crate::{keys::KeySet, remote::Remote};

/// Why an address cannot be one of an issuer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an https URL nor an http URL of this machine")]
pub struct UrlError(pub String);

/// Where keys are, and how long they are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksOptions {
    pub url: String,
    /// So long the last good keys are used while no newer ones can be had.
    pub max_age: Duration,
}

/// The keys of one issuer, as last fetched.
pub type Jwks = Remote<KeySet>;

impl Jwks {
    /// Fetches nothing yet.
    pub fn new(options: &JwksOptions) -> Result<Self, UrlError> {
        let read = |body: &[u8]| KeySet::jwks(body).map_err(|error| error.to_string());
        Self::at(&options.url, "the keys of an issuer", options.max_age, Box::new(read))
    }
}
