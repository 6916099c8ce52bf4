//! An identity from its parts, each of which must be fit to stand in a header, a log and a metric.

use std::sync::Arc;

use http::HeaderValue;
use weft_types::{Caller, IDENTITY_HEADERS, Identity, Name, Tenant};

use crate::denied::Denied;

/// Bytes of a subject, a tenant or a role.
pub(crate) const TEXT_MAX: usize = 256;
/// Roles of one identity.
pub(crate) const ROLES_MAX: usize = 64;

/// The identity that `auth` has proven. Refused where a part could be taken for another one by whoever reads it.
pub(crate) fn identity(
    auth: &Name,
    subject: &str,
    tenant: Option<&str>,
    roles: Vec<Arc<str>>,
) -> Result<Identity, Denied> {
    if !fit(subject) {
        return Err(Denied::invalid("the subject is empty, too long, or holds controls or white space at an end"));
    }
    if tenant.is_some_and(|tenant| !fit(tenant)) {
        return Err(Denied::invalid("the tenant is empty, too long, or holds controls or white space at an end"));
    }
    if roles.len() > ROLES_MAX || roles.iter().any(|role| !fit(role) || role.contains(',')) {
        return Err(Denied::invalid("the roles are too many, or one is empty, too long, or holds controls or a comma"));
    }
    let list = roles.join(",");
    let values = [Some(subject), tenant, Some(list.as_str()).filter(|list| !list.is_empty()), Some(auth.as_str())];
    let pairs = IDENTITY_HEADERS.iter().cloned().zip(values);
    let headers = pairs.filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value?.as_bytes()).ok()?)));
    Ok(Identity {
        auth: auth.clone(),
        subject: subject.into(),
        tenant: Tenant(tenant.map(Arc::from)),
        caller: Caller::Identity(format!("{auth}/{subject}").into()),
        headers: headers.collect(),
        roles: roles.into(),
    })
}

/// An identity that nobody has proven, to ask what it would meet. The error says which part is not fit.
pub fn stand_in(
    auth: &Name,
    subject: &str,
    tenant: Option<&str>,
    roles: Vec<Arc<str>>,
) -> Result<Identity, &'static str> {
    identity(auth, subject, tenant, roles).map_err(|denied| denied.why)
}

fn fit(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX && text.trim() == text && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_says_the_same_in_every_place_or_is_refused() {
        let auth = Name::new("staff").expect("a name");
        let alice = identity(&auth, "alice", Some("acme"), vec!["admin".into(), "ops".into()]).expect("fit");
        assert_eq!(alice.caller, Caller::Identity("staff/alice".into()));
        let told: Vec<_> = alice.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("ASCII"))).collect();
        let wanted =
            [("weft-identity", "alice"), ("weft-tenant", "acme"), ("weft-roles", "admin,ops"), ("weft-auth", "staff")];
        assert_eq!(told, wanted);
        for bad in ["", " alice", "alice ", "a\nb", "a\0", &"a".repeat(TEXT_MAX + 1)] {
            assert!(identity(&auth, bad, None, Vec::new()).is_err(), "{bad:?}");
            assert!(identity(&auth, "alice", Some(bad), Vec::new()).is_err(), "{bad:?}");
            assert!(identity(&auth, "alice", None, vec![bad.into()]).is_err(), "{bad:?}");
        }
        assert!(identity(&auth, "alice", None, vec!["a,admin".into()]).is_err(), "one role is not two");
        let named = identity(&auth, "Zoë", None, Vec::new()).expect("fit");
        assert_eq!(named.headers[0].1.as_bytes(), "Zoë".as_bytes());
    }
}
