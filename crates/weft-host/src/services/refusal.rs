//! Refusals: what was refused, and the line of the manifest that would grant it.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use weft_store::StoreError;
use weft_types::Name;

use super::log::GuestLog;

/// Distinct refusals that are told of each component: a guest that tries for ever fills no log.
const TOLD_MAX: usize = 64;

/// Which refusals of one component were told to its operator.
pub(crate) struct Refusals {
    told: Mutex<HashSet<String>>,
    log: Arc<dyn GuestLog>,
}

impl Refusals {
    pub(super) fn new(log: &Arc<dyn GuestLog>) -> Arc<Self> {
        Arc::new(Self { told: Mutex::default(), log: Arc::clone(log) })
    }

    /// Logs a refusal the first time that it happens. What the guest asked for is in it, and may be a secret.
    pub(crate) fn tell(&self, application: &Name, component: &Name, text: &str) {
        let text = self.log.clean(text);
        let mut told = self.told.lock();
        if told.len() < TOLD_MAX && told.insert(text.clone()) {
            drop(told);
            tracing::warn!(%application, %component, code = "denied", "{text}");
        }
    }
}

/// A name as a guest gave it, fit to be shown: short, on one line.
pub(crate) fn shown(name: &str) -> String {
    const BYTES_MAX: usize = 100;
    let short = &name[..name.floor_char_boundary(BYTES_MAX)];
    let cut = if short.len() < name.len() { "…" } else { "" };
    format!("{}{cut}", short.escape_debug())
}

pub(crate) fn store(component: &Name, asked: &str) -> String {
    let asked = shown(asked);
    format!(
        "component `{component}` may not open store `{asked}`: add `stores = {{ {} = \"…\" }}` under [component.{component}] in weft.toml",
        key(&asked)
    )
}

pub(crate) fn unit(component: &Name, what: &str, name: &str) -> String {
    format!(
        "component `{component}` may not use {what} `{}`, since it has no store: add `stores = {{ default = \"…\" }}` under [component.{component}] in weft.toml",
        shown(name)
    )
}

pub(crate) fn outbound(component: &Name, https: bool, host: &str, port: u16) -> String {
    let (scheme, usual) = if https { ("https", 443) } else { ("http", 80) };
    let port = if port == usual { String::new() } else { format!(":{port}") };
    let place = format!("{scheme}://{}{port}", shown(host));
    format!(
        "component `{component}` may not call {place}: add `outbound = [\"{place}\"]` under [component.{component}] in weft.toml"
    )
}

/// A name that may be called is at an address that may not.
pub(crate) fn address(component: &Name, uri: &http::Uri, host: &str, address: IpAddr) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = shown(host);
    format!(
        "component `{component}` may not call {scheme}://{host}: it is at the private address {address}; if that is meant, add `private-networks = [\"{address}\"]` under [component.{component}] in weft.toml"
    )
}

/// What a guest cannot mend is told to the operator.
pub(crate) fn store_failed(error: &StoreError) {
    use std::error::Error as _;
    if let StoreError::Full { .. }
    | StoreError::ReadOnly { .. }
    | StoreError::Unavailable { .. }
    | StoreError::Unknown { .. }
    | StoreError::Corrupt { .. } = error
    {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(code = %error.code(), source, "{error}");
    }
}

/// As a key of TOML: bare where it can be.
fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_line_to_add() {
        let api = Name::new("api").unwrap();
        assert_eq!(
            store(&api, "cache"),
            "component `api` may not open store `cache`: add `stores = { cache = \"…\" }` under [component.api] in weft.toml"
        );
        assert!(store(&api, "a b\n").contains(r#"{ "a b\n" = "#), "{}", store(&api, "a b\n"));
        assert!(store(&api, &"x".repeat(4_000)).len() < 600);
    }
}
