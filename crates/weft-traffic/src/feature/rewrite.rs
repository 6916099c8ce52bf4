//! Where a request goes, as whoever answers it sees it.

use std::sync::Arc;

use http::{
    HeaderValue,
    uri::{Authority, PathAndQuery},
};

use crate::Found;

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
    pub fn target(&self, found: &Found<'_>, query: Option<&str>) -> Option<PathAndQuery> {
        let mut target = found.location(self.path.as_deref()?);
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        // What a client sent is checked, and the template too; together they are a path again.
        PathAndQuery::try_from(target).ok()
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
