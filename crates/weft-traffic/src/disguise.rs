//! Paths that whoever answers may read as another one, behind another route: `/admin%2Fusers`, `//admin/users`.
//!
//! To the table `%2F` is data and `//` an empty segment. Many a server decodes, or merges, and would answer for
//! `/admin/users`, which is guarded, to who was let in at `/*`, which is not.

use crate::{Action, CompiledRoute, path};

/// The path as such a server reads it. `None`: as it is written.
pub(crate) fn plain(raw: &str, encoded: bool) -> Option<String> {
    let bytes = raw.as_bytes();
    let doubled = bytes.windows(2).any(|pair| pair == b"//");
    let hidden = encoded && bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && is_separator(bytes, at));
    if !doubled && !hidden {
        return None;
    }
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hidden = bytes[at] == b'%' && is_separator(bytes, at);
        let byte = if hidden { b'/' } else { bytes[at] };
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
        at += if hidden { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

/// Whether a request that was let in at `found` would step around what `meant` demands.
pub(crate) fn steps_around(found: &CompiledRoute, meant: &CompiledRoute) -> bool {
    found.index != meant.index && may_be_one(&found.spec.action, &meant.spec.action) && demands_more(meant, found)
}

/// Whether both may be answered by the same.
fn may_be_one(a: &Action, b: &Action) -> bool {
    match (a, b) {
        (Action::Redirect { .. }, _) | (_, Action::Redirect { .. }) => false,
        (Action::Files(_), Action::Files(_)) => true,
        (Action::Files(_), _) | (_, Action::Files(_)) => false,
        (Action::Component(a), Action::Component(b)) => {
            (&a.target.application, &a.target.component) == (&b.target.application, &b.target.component)
        }
        _ => true,
    }
}

fn demands_more(this: &CompiledRoute, than: &CompiledRoute) -> bool {
    let addresses = |route: &CompiledRoute| route.spec.features.as_ref().and_then(|has| has.addresses.clone());
    let (policy, other) = (&this.spec.policy, &than.spec.policy);
    let addressed = addresses(this).is_some_and(|rules| addresses(than).as_ref() != Some(&rules));
    let limited = policy.rate_limit.rate.is_some() && other.rate_limit.rate.is_none();
    addressed || limited || policy.auth.demands_more(&other.auth)
}

fn is_separator(bytes: &[u8], at: usize) -> bool {
    matches!(path::escaped(bytes, at), Some(b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_or_made_so() {
        for (raw, wanted) in [
            ("//admin/users", "/admin/users"),
            ("/admin%2Fusers", "/admin/users"),
            ("/a%2f%5C/b//", "/a/b/"),
            ("/%2Fa%20b", "/a%20b"),
            ("//", "/"),
        ] {
            assert_eq!(plain(raw, raw.contains('%')).as_deref(), Some(wanted), "{raw}");
        }
        for raw in ["/", "/a/", "/a%20b", "/%252F", "/é"] {
            assert_eq!(plain(raw, raw.contains('%')), None, "{raw}");
        }
    }
}
