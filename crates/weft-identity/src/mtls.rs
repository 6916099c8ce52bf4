//! Client certificates: the name in one that the listener has verified, to an identity.

use std::sync::Arc;

use http::HeaderValue;
use weft_types::{ClientCertificate, Identity, Name, Timestamp};

use crate::{
    cache::Cache,
    denied::{Denied, challenge},
    guard::Found,
    names::NamePattern,
    person,
};

/// Which name of a certificate says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A URI of its alternative names, such as a SPIFFE ID.
    Uri,
    /// A DNS name of its alternative names.
    Dns,
    /// The common name of its subject.
    CommonName,
}

/// Whose certificates are taken, and who they stand for.
#[derive(Debug, Clone)]
pub struct MtlsOptions {
    pub kind: NameKind,
    /// The name fits one of these. Empty: any name will do, if there is only one.
    pub names: Vec<NamePattern>,
    /// Common names of the authorities that may have signed it. Empty: any that the listener knows.
    pub issuers: Vec<String>,
    /// What everybody with such a certificate may do.
    pub roles: Vec<Arc<str>>,
}

/// Turns certificates to identities, and remembers those that are good.
pub struct Mtls {
    auth: Name,
    options: MtlsOptions,
    cache: Cache,
}

impl Mtls {
    pub fn new(auth: Name, options: MtlsOptions) -> Self {
        Self { auth, options, cache: Cache::new() }
    }

    pub(crate) fn check(&self, certificate: Option<&ClientCertificate>, now: Timestamp) -> Found {
        let Some(shown) = certificate else { return Found::Absent };
        if let Some(known) = self.cache.find(&shown.fingerprint, now) {
            return Found::Good(known);
        }
        match self.identity(shown, now) {
            Ok(identity) => {
                let identity = Arc::new(identity);
                self.cache.keep(shown.fingerprint, Arc::clone(&identity), shown.until, now);
                Found::Good(identity)
            }
            Err(denied) => Found::Bad(denied),
        }
    }

    pub(crate) fn challenge(&self, denied: Option<&Denied>) -> Option<HeaderValue> {
        challenge("Certificate", self.auth.as_str(), denied)
    }

    fn identity<'a>(&self, shown: &'a ClientCertificate, now: Timestamp) -> Result<Identity, Denied> {
        let MtlsOptions { kind, names, issuers, roles } = &self.options;
        // It was good when the connection began, which may be long ago.
        if now >= shown.until {
            return Err(Denied::expired("the certificate has expired"));
        }
        let issuer = shown.issuer.as_deref();
        if !issuers.is_empty() && !issuers.iter().any(|one| Some(one.as_str()) == issuer) {
            return Err(Denied::invalid("the certificate is by another authority"));
        }
        let all: &'a [Arc<str>] = match kind {
            NameKind::Uri => &shown.uris,
            NameKind::Dns => &shown.names,
            NameKind::CommonName => shown.subject.as_slice(),
        };
        let (name, tenant) = match (names.is_empty(), all) {
            (_, []) => return Err(Denied::invalid("the certificate has no name of the kind that is asked for")),
            (true, [one]) => (one, None),
            (true, _) => {
                return Err(Denied::invalid("the certificate has several names of the kind that is asked for"));
            }
            (false, _) => {
                let fits = |name: &'a Arc<str>| names.iter().find_map(|one| Some((name, one.fits(name)?.tenant)));
                all.iter().find_map(fits).ok_or(Denied::invalid("the certificate is for another name"))?
            }
        };
        person::identity(&self.auth, name, tenant, roles.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mtls(kind: NameKind, names: &[&str], issuers: &[&str]) -> Mtls {
        let names = names.iter().map(|text| text.parse().expect("a pattern")).collect();
        let issuers = issuers.iter().map(|text| (*text).to_owned()).collect();
        let options = MtlsOptions { kind, names, issuers, roles: vec!["service".into()] };
        Mtls::new(Name::new("mesh").expect("a name"), options)
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn shown(uris: &[&str], names: &[&str]) -> ClientCertificate {
        let all = |texts: &[&str]| texts.iter().map(|text| Arc::from(*text)).collect();
        let (subject, issuer) = (Some("orders".into()), Some("Mesh CA".into()));
        let mut fingerprint = [7; 32];
        fingerprint[0] = uris.len() as u8;
        ClientCertificate { uris: all(uris), names: all(names), subject, issuer, until: at(100), fingerprint }
    }

    fn who(mtls: &Mtls, shown: &ClientCertificate) -> Result<(String, Option<String>), &'static str> {
        match mtls.check(Some(shown), at(50)) {
            Found::Good(who) => Ok((who.subject.to_string(), who.tenant.0.as_deref().map(str::to_owned))),
            Found::Bad(denied) => Err(denied.why),
            Found::Absent | Found::Later(_) => Err("nothing"),
        }
    }

    #[test]
    fn the_name_that_is_asked_for_says_who_it_is() {
        let one = shown(&["spiffe://example.org/acme/orders"], &["orders.example"]);
        let of = |kind, names: &[&str]| who(&mtls(kind, names, &["Mesh CA"]), &one);
        let is = |name: &str, tenant: Option<&str>| Ok((name.to_owned(), tenant.map(str::to_owned)));
        assert_eq!(of(NameKind::Uri, &[]), is("spiffe://example.org/acme/orders", None));
        assert_eq!(of(NameKind::Dns, &[]), is("orders.example", None));
        assert_eq!(of(NameKind::CommonName, &["orders"]), is("orders", None));
        let tenants = ["spiffe://other.org/*", "spiffe://example.org/{tenant}/*"];
        assert_eq!(of(NameKind::Uri, &tenants), is("spiffe://example.org/acme/orders", Some("acme")));
        assert!(of(NameKind::Uri, &["spiffe://other.org/*"]).is_err());
        assert!(who(&mtls(NameKind::Uri, &[], &["Other CA"]), &one).is_err());
    }

    #[test]
    fn one_of_several_names_is_not_guessed_and_none_is_no_one() {
        let several = shown(&["spiffe://a/1", "spiffe://b/2"], &[]);
        assert!(who(&mtls(NameKind::Uri, &[], &[]), &several).is_err());
        assert_eq!(who(&mtls(NameKind::Uri, &["spiffe://b/*"], &[]), &several).expect("one fits").0, "spiffe://b/2");
        assert!(who(&mtls(NameKind::Dns, &[], &[]), &several).is_err());
        assert!(matches!(mtls(NameKind::Uri, &[], &[]).check(None, at(1)), Found::Absent));
    }

    #[test]
    fn a_certificate_that_expires_on_an_open_connection_is_good_no_more() {
        let (mtls, one) = (mtls(NameKind::Uri, &[], &[]), shown(&["spiffe://a/1"], &[]));
        assert!(matches!(mtls.check(Some(&one), at(99)), Found::Good(_)));
        assert!(matches!(mtls.check(Some(&one), at(99)), Found::Good(_)), "known");
        let Found::Bad(denied) = mtls.check(Some(&one), at(100)) else { panic!("it has expired") };
        assert_eq!(denied.code, weft_types::code::CREDENTIAL_EXPIRED);
    }
}
