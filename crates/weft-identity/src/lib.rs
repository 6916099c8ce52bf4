//! Who is calling: what a request presents, proven against keys, becomes an [`Identity`](weft_types::Identity).
//!
//! ```text
//! guard      of a route: its declarations in order, the roles that it demands
//!   jwt        a bearer token ─► cache ─► token ─► keys            known tokens cost a lookup, until they expire
//!     token      header checked, signature verified (jsonwebtoken), claims checked
//!     keys       from PEM or JWKS: each pinned to the algorithms that belong to its type
//!     jwks       keys that their issuer publishes          remote: fetched, kept, and used until they are too old
//!   api_key    a key in a header, known by its hash
//!   mtls       the certificate of the connection, by a name in it          names: patterns of such
//!   oidc       logins of browsers: begin ─► the provider ─► callback ─► exchange ─► a session          seal · cookies
//!   access     what they may do: Cedar policies (feature `cedar`)
//! ```
//!
//! It listens nowhere, and takes time by argument. Signatures are verified by ring, through `jsonwebtoken`.

mod access;
mod api_key;
mod cache;
mod cookies;
mod denied;
mod fetch;
mod form;
mod guard;
mod jwks;
mod jwt;
mod keys;
mod mtls;
mod names;
mod oidc;
mod person;
mod remote;
mod ring;
mod seal;
mod token;

pub use access::{
    Asked, Decision, Facts, POLICY_BYTES_MAX, Policies, PolicyFault, PolicyFile, RouteFact, RouteRules, Ruling,
};
pub use api_key::{ApiKey, ApiKeys, new_api_key};
pub use guard::{Demand, Provider, RouteGuard};
pub use jwks::{Jwks, JwksOptions, UrlError};
pub use jwt::{Jwt, JwtOptions, Keys};
pub use keys::{KeyError, KeySet};
pub use mtls::{Mtls, MtlsOptions, NameKind};
pub use names::{NamePattern, PatternError};
pub use oidc::{LOGIN_PATH, LoginPages, Oidc, OidcOptions};
pub use person::stand_in;
pub use seal::SessionKeys;
pub use token::{ClaimNames, TOKEN_BYTES_MAX};
