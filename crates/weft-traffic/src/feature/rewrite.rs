//! Where a request goes, as whoever answers it sees it.

use std::sync::Arc;

use http::{
    HeaderValue,
    uri::{Authority, PathAndQuery},
};

use crate::{Found, Miss};

/// Another path, another host, or both. The query always stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// A template as a redirect's: `/v2/:id/*`. Validated when the table is compiled.
    pub path: Option<Arc<str>>,
    pub host: Option<HostName>,
}

/// A host in both of the forms that a request has it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    pub authority: Authority,
    pub header: HeaderValue,
}

impl HostName {
    /// `name` or `name:port`. `None`: it is neither.
    pub fn new(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let after = text.strip_prefix(authority.host()).filter(|_| !authority.host().is_empty())?;
        let port = after.is_empty() || authority.port_u16().is_some();
        port.then_some(Self { authority, header: HeaderValue::from_str(text).ok()? })
    }
}

impl Rewrite {
    /// The path and query of a request that was found so. `None`: they stay as they are.
    ///
    /// Refused as a bad path: what would begin with `//`, and what is too long for a path. A callee that reads `//a` as
    /// `/a` would be asked for what may be behind another route, with a guard of its own.
    pub fn target(&self, found: &Found<'_>, query: Option<&str>) -> Result<Option<PathAndQuery>, Miss> {
        let Some(template) = self.path.as_deref() else { return Ok(None) };
        let mut target = found.filled(template);
        if target.starts_with("//") {
            return Err(Miss::BadPath { reason: "the rewritten path begins with `//`" });
        }
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        // What a client sent is checked, and the template too; together they are a path again, if it is not too long.
        let bad = |_| Miss::BadPath { reason: "the rewritten path is too long" };
        PathAndQuery::try_from(target).map(Some).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_perhaps_a_port() {
        for good in ["a", "a.b:80", "127.0.0.1", "[::1]", "[::1]:80"] {
            assert!(HostName::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a/b", "u@a", "a:", "a:x", "a:99999", "é", "http://a"] {
            assert_eq!(HostName::new(bad), None, "{bad}");
        }
    }
}
