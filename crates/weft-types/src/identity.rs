//! Who was proven to be calling, and the seam between the gateway, which has the request, and whoever knows the keys.

use std::{fmt, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::{Caller, Code, Name, Pending, Tenant, Timestamp};

/// A caller whose credential was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The declaration of the manifest by which it was proven.
    pub auth: Name,
    /// Who, in the words of that declaration: a token's `sub`, a key's name, a certificate's URI.
    pub subject: Arc<str>,
    pub tenant: Tenant,
    pub roles: Box<[Arc<str>]>,
    /// [`Caller::Identity`] of `AUTH/SUBJECT`: subjects of different declarations are different callers.
    pub caller: Caller,
    /// What whoever answers is told: names out of [`IDENTITY_HEADERS`].
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Header fields that say who is calling. A client's own are removed from every request, on every route.
pub static IDENTITY_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("weft-identity"),
    HeaderName::from_static("weft-tenant"),
    HeaderName::from_static("weft-roles"),
    HeaderName::from_static("weft-auth"),
];

/// How the names of our own cookies begin, after `__Host-` where they are secured: credentials that nobody behind the
/// gateway is shown.
pub const LOGIN_COOKIES: [&str; 2] = ["weft-session-", "weft-login-"];

/// What a request shows of who sends it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    /// Host and port that it is for, as it says.
    pub authority: &'a str,
    /// Whether it came by TLS, to us or to a proxy that is believed.
    pub secure: bool,
    /// That the client proved to have the key of, when the connection was secured.
    pub certificate: Option<&'a ClientCertificate>,
    /// Parameters of the route's path, decoded.
    pub params: &'a [(&'a str, &'a str)],
    /// The client's, as far as it is known.
    pub address: Option<IpAddr>,
}

/// A client's certificate, which one of the listener's authorities has signed: its names, as they are in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// URIs of its subject alternative names, such as `spiffe://example.org/orders`.
    pub uris: Vec<Arc<str>>,
    /// DNS names of its subject alternative names.
    pub names: Vec<Arc<str>>,
    /// The common name of its subject, if it has exactly one.
    pub subject: Option<Arc<str>>,
    /// The common name of the authority that signed it, if it has exactly one.
    pub issuer: Option<Arc<str>>,
    /// It is good before this: a connection may last longer.
    pub until: Timestamp,
    /// SHA-256 of the whole.
    pub fingerprint: [u8; 32],
}

/// What a guard makes of a request.
pub enum Checked {
    /// `None`: nobody in particular, which the route allows.
    Passed(Option<Arc<Identity>>),
    Refused(Box<Denial>),
    /// The guard answers by itself: it sends a browser to where it can log in.
    Answered(Box<Answer>),
    /// Something has to be fetched first: check again after this. It ends by itself, and is asked for once.
    Later(Pending<'static, ()>),
}

/// An answer without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub code: Code,
    /// Values of `WWW-Authenticate`.
    pub challenges: Vec<HeaderValue>,
    /// For the log: never a part of the credential.
    pub why: String,
}

/// What stands before a route: decides by what a request presents whether it goes on, and as whom.
pub trait Guard: Send + Sync + fmt::Debug {
    fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Checked;

    /// Whether it answers every request by itself, on a path that applications may not have.
    fn is_ours(&self) -> bool {
        false
    }
}
