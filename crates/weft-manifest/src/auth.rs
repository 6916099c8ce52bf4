//! `[auth.NAME]`, how callers prove who they are, and `auth` of a policy, which names what a route demands.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::values::Time;

/// One way to prove who is calling. Exactly one of its keys is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME"))]
pub struct Auth {
    /// Bearer tokens that an issuer has signed.
    #[schemars(extend("x-one-of" = "auth"))]
    pub jwt: Option<Jwt>,
    /// Keys that are sent in a header.
    #[schemars(extend("x-one-of" = "auth"))]
    pub api_key: Option<ApiKey>,
    /// Client certificates, which the node asks for (`client-ca` of `[listen]` in node.toml).
    #[schemars(extend("x-one-of" = "auth"))]
    pub mtls: Option<Mtls>,
    /// Logins of browsers at a provider of OpenID Connect.
    #[schemars(extend("x-one-of" = "auth"))]
    pub oidc: Option<Oidc>,
}

/// Tokens in `Authorization: Bearer`. Each must have `exp`, and is refused where anything about it is in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME.jwt"))]
pub struct Jwt {
    /// The token's `iss`, exactly.
    #[schemars(extend("x-form" = "text", "examples" = ["https://id.example.com/"]))]
    pub issuer: String,
    /// The token's `aud` names one of these.
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["orders"]]))]
    pub audience: Vec<String>,
    /// How tokens may be signed. A key verifies only what belongs to its type.
    #[schemars(extend("examples" = [["RS256"]]))]
    pub algorithms: Vec<Algorithm>,
    /// A file with the issuer's public keys, as PEM or as a JSON Web Key Set. It becomes part of the revision.
    /// Exactly one of `keys`, `jwks-url` and `secret` is given.
    #[schemars(extend("x-one-of" = "keys", "x-form" = "path", "examples" = ["keys/issuer.pem"]))]
    pub keys: Option<String>,
    /// Where the issuer publishes its keys: an `https` URL, or an `http` URL of this machine. Fetched again every 5 minutes,
    /// and for a token by an unknown key, at most every 10 seconds.
    #[schemars(extend("x-one-of" = "keys", "x-form" = "url", "examples" = ["https://id.example.com/.well-known/jwks.json"]))]
    pub jwks_url: Option<String>,
    /// So long the last good keys are used while `jwks-url` gives no newer ones; then nobody is let in. At least 1m.
    #[schemars(extend("default" = "1h"))]
    pub keys_max_age: Option<Time>,
    /// A secret of the node that is shared with the issuer, for HS256, HS384 and HS512.
    #[schemars(extend("x-one-of" = "keys", "x-form" = "text", "examples" = ["issuer-hmac"]))]
    pub secret: Option<String>,
    /// How far the issuer's clock may be from ours. At most 5m.
    #[schemars(extend("default" = "30s"))]
    pub leeway: Option<Time>,
    /// The claim that says who is calling: its name, or a path of names with dots between them.
    #[schemars(extend("x-form" = "text", "default" = "sub"))]
    pub identity: Option<String>,
    /// The claim that says for which tenant. With it, a token that names none is refused.
    #[schemars(extend("x-form" = "text", "examples" = ["org_id"]))]
    pub tenant: Option<String>,
    /// The claim that lists roles: strings, or one string with spaces between them.
    #[schemars(extend("x-form" = "text", "examples" = ["realm_access.roles"]))]
    pub roles: Option<String>,
}

/// Keys that callers send in a header, kept as hashes. `weft key new` makes one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME.api-key"))]
pub struct ApiKey {
    /// The header that holds the key.
    #[schemars(extend("x-form" = "header", "default" = "x-api-key"))]
    pub header: Option<String>,
    /// Each key by the name of whoever has it, which is the caller's identity.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "text"}))]
    pub keys: BTreeMap<String, KeyHash>,
}

/// One key: its hash, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME.api-key.keys.WHO"))]
pub struct KeyHash {
    /// `sha256:` and 64 hexadecimal digits, as `weft key new` prints it. The key itself is written nowhere.
    #[schemars(extend("x-form" = "text", "examples" = ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]))]
    pub hash: String,
    /// The tenant for which its holder calls.
    #[schemars(extend("x-form" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its holder's roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}))]
    pub roles: Vec<String>,
}

/// Certificates of clients, verified in the handshake by the node's authorities. Never taken from a header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME.mtls"))]
pub struct Mtls {
    /// The name in the certificate that says who is calling: `uri` and `dns` are alternative names, `common-name` is
    /// the subject's.
    #[serde(default)]
    #[schemars(extend("default" = "uri"))]
    pub identity: CertificateName,
    /// The name fits one of these: `*` stands for any text, `{tenant}` for one segment, which names the tenant. Empty:
    /// any name will do, where the certificate has only one of its kind.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["spiffe://example.org/{tenant}/*"]]))]
    pub names: Vec<String>,
    /// Common names of the authorities that may have signed it. Empty: any of the node's.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["Example Mesh CA"]]))]
    pub issuers: Vec<String>,
    /// Roles of everybody with such a certificate.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["service"]]))]
    pub roles: Vec<String>,
}

/// Whoever opens a page without a session is sent to the provider to log in, and comes back to
/// `/.weft/login/NAME/callback`, which the provider has to know. What is not a browser's page gets 401.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "auth.NAME.oidc"))]
pub struct Oidc {
    /// The provider, exactly as it calls itself: an `https` URL, or an `http` URL of this machine. Its description is
    /// fetched from `/.well-known/openid-configuration` below it.
    #[schemars(extend("x-form" = "url", "examples" = ["https://id.example.com/"]))]
    pub issuer: String,
    /// What it knows this application by.
    #[schemars(extend("x-form" = "text", "examples" = ["shop"]))]
    pub client_id: String,
    /// The secret of the node that the provider knows too. Absent: a public client, which PKCE alone protects.
    #[schemars(extend("x-form" = "text", "examples" = ["shop-login"]))]
    pub client_secret: Option<String>,
    /// What is asked for, with `openid`, which is asked for always.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["openid", "profile"]]))]
    pub scopes: Vec<String>,
    /// How its tokens may be signed: by its published keys.
    #[schemars(extend("default" = ["RS256"]))]
    pub algorithms: Option<Vec<Algorithm>>,
    /// So long a session is good, from the login on. From 1m to 30d.
    #[schemars(extend("default" = "8h"))]
    pub session: Option<Time>,
    /// How far the provider's clock may be from ours. At most 5m.
    #[schemars(extend("default" = "30s"))]
    pub leeway: Option<Time>,
    /// The claim of the ID token that says who is calling: its name, or a path of names with dots between them.
    #[schemars(extend("x-form" = "text", "default" = "sub"))]
    pub identity: Option<String>,
    /// The claim that says for which tenant. With it, a login that names none is refused.
    #[schemars(extend("x-form" = "text", "examples" = ["org_id"]))]
    pub tenant: Option<String>,
    /// The claim that lists roles: strings, or one string with spaces between them.
    #[schemars(extend("x-form" = "text", "examples" = ["groups"]))]
    pub roles: Option<String>,
}

/// A kind of name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum CertificateName {
    #[default]
    Uri,
    Dns,
    CommonName,
}

/// A signature algorithm of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    HS256,
    HS384,
    HS512,
}

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Whether it needs a secret that both sides know.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// What a policy demands of callers: `"NAME"`, a list of names of which one must prove the caller, a table, or `"none"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuthUse {
    pub any: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Lifts what a level above demands.
pub(crate) const NONE: &str = "none";

/// The same, with what else is demanded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "policy.auth"))]
pub struct AuthTable {
    /// Declarations of `[auth]`, of which one has to prove who is calling. They are tried in this order.
    #[schemars(extend("items" = {"type": "string", "x-form": "name"}, "examples" = [["staff"]]))]
    pub any: Vec<String>,
    /// Whoever presents nothing may call too, as nobody. A credential that is not good is refused all the same.
    #[serde(default)]
    pub optional: bool,
    /// The caller must have one of these roles.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["admin"]]))]
    pub roles: Vec<String>,
}

impl From<AuthTable> for AuthUse {
    fn from(AuthTable { any, optional, roles }: AuthTable) -> Self {
        Self { any, optional, roles }
    }
}

impl From<&AuthUse> for weft_traffic::policy::Auth {
    fn from(said: &AuthUse) -> Self {
        let all = |texts: &[String]| texts.iter().map(|text| Arc::from(text.as_str())).collect();
        Self { any: all(&said.any), optional: said.optional, roles: all(&said.roles), ruled: false }
    }
}

impl<'de> Deserialize<'de> for AuthUse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AuthUse;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, a list of names, or a table with `any`")
            }
            fn visit_str<E>(self, name: &str) -> Result<AuthUse, E> {
                let any = if name == NONE { Vec::new() } else { vec![name.to_owned()] };
                Ok(AuthUse { any, ..AuthUse::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<AuthUse, A::Error> {
                let mut any = Vec::new();
                while let Some(name) = names.next_element()? {
                    any.push(name);
                }
                Ok(AuthUse { any, ..AuthUse::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AuthUse, A::Error> {
                AuthTable::deserialize(MapAccessDeserializer::new(map)).map(AuthUse::from)
            }
        }
        from.deserialize_any(Either)
    }
}

/// Alternatives of different types: which one is meant is seen by the type of what was written.
impl JsonSchema for AuthUse {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "AuthUse".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = json_schema!({ "type": "array", "items": { "type": "string", "x-form": "name" } });
        let name = json_schema!({ "type": "string", "x-form": "name" });
        json_schema!({ "oneOf": [name, names, generator.subschema_for::<AuthTable>()] })
    }
}
