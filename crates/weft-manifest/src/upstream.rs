//! Services that are not WebAssembly, as they are written and as they are kept: where they are, how they are watched.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};
use weft_traffic::{Locality, Patch, Resolution, policy::BalancePatch};
use weft_types::Name;

use crate::{
    author::Policy,
    values::{Share, Time},
};

/// A service that is not WebAssembly. Every route that names it shares its connections, its places and its breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "upstream.NAME"))]
pub struct Upstream {
    /// Where it is: `http://`, `https://` (verified; HTTP/2 or HTTP/1.1) or `h2c://` (HTTP/2 in the clear), a host and
    /// perhaps a port. A name is resolved for each new connection. With `weight`, `zone` or
    /// `region`, a table for each.
    #[schemars(extend("examples" = [["http://10.1.0.4:8080", "http://10.1.0.5:8080"]]))]
    pub endpoints: Vec<Endpoint>,
    /// How long an endpoint that is new or has healed takes until it has its whole share.
    #[schemars(extend("default" = "10s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Time>,
    /// When an endpoint that fails where the others do not is left out for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ejection: Option<Ejection>,
    /// How it is asked whether it is well. Without it, only calls tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whom `https` endpoints must prove to be, and who we say we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Overrides the application's policy for calls to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Weighted")]
pub struct Endpoint(pub Weighted);

/// An endpoint with its share of the calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "upstream.NAME.endpoints"))]
pub struct Weighted {
    /// As in the short form.
    #[schemars(extend("x-form" = "upstream", "examples" = ["http://10.1.0.4:8080"]))]
    pub url: String,
    /// Its share of the calls beside the others'. 0 keeps it, and sends nothing.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10_000), extend("default" = 1))]
    pub weight: u32,
    /// Where it runs, as the labels of nodes have it. Names of zones count within their region.
    #[schemars(extend("x-form" = "text", "examples" = ["eu-1a"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// And in which region.
    #[schemars(extend("x-form" = "text", "examples" = ["eu-1"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Weighted {
    /// One that says no more than where it is.
    fn plain(url: &str) -> Self {
        Self { url: url.to_owned(), weight: one(), zone: None, region: None }
    }

    pub fn locality(&self) -> Locality {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        Locality { zone: text(&self.zone), region: text(&self.region) }
    }
}

fn one() -> u32 {
    1
}

impl From<Endpoint> for Weighted {
    fn from(Endpoint(endpoint): Endpoint) -> Self {
        endpoint
    }
}

/// When an endpoint is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "upstream.NAME.ejection"))]
pub struct Ejection {
    /// `false`: never.
    #[schemars(extend("default" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Below this share of good answers between two looks.
    #[schemars(extend("default" = "80%"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Share>,
    /// But only after so many answers.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// Or after so many failures in a row, at once. 0: never for that.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 5))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// The time between two looks.
    #[schemars(extend("default" = "10s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Time>,
    /// How long it is left out: this, times how often it was, at most ten times. Never more than half are out.
    #[schemars(extend("default" = "30s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// A GET to each endpoint, now and then, which is to be answered with a 2xx. One that fails three times in a row takes no
/// calls until it has passed twice; where none is left, all are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "upstream.NAME.health"))]
pub struct Health {
    /// What is asked for.
    #[schemars(extend("x-form" = "request-path", "examples" = ["/healthz"]))]
    pub path: String,
    /// What the `Host` header says. Absent: the endpoint's own.
    #[schemars(extend("x-form" = "header-value", "examples" = ["legacy.example.com"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// From one question to the next, up to a tenth sooner. At least 10 ms.
    #[schemars(extend("default" = "10s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Time>,
    /// Longest wait for an answer.
    #[schemars(extend("default" = "2s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
}

impl Health {
    pub const INTERVAL: Duration = Duration::from_secs(10);
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    pub const INTERVAL_MIN: Duration = Duration::from_millis(10);
}

/// TLS of the `https` endpoints. Each value is the name of a secret of the node, which holds PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "upstream.NAME.tls"))]
pub struct UpstreamTls {
    /// The authorities that are believed, and no others. Absent: those of the platform.
    #[schemars(extend("examples" = ["legacy-ca"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Our certificate and what lies between it and its authority, where the service asks who we are. With `key`.
    #[schemars(extend("examples" = ["weft-cert"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// The key of `cert`.
    #[schemars(extend("examples" = ["weft-key"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl UpstreamTls {
    /// Each key that is said, and the secret that it names.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        all.into_iter().filter_map(|(key, secret)| Some((key, secret.as_deref()?)))
    }
}

impl Upstream {
    /// A list of endpoints on a route.
    pub(crate) fn plain(urls: &[String]) -> Self {
        let endpoint = |url: &String| Endpoint(Weighted::plain(url));
        let endpoints = urls.iter().map(endpoint).collect();
        Self { endpoints, slow_start: None, ejection: None, health: None, tls: None, policy: None }
    }

    /// What its table and its policy say.
    pub(crate) fn patch(&self) -> Patch {
        let ejection = self.ejection.unwrap_or_default();
        let balance = BalancePatch {
            slow_start: self.slow_start.map(|time| time.0),
            ejection: ejection.enabled,
            success: ejection.success.map(|share| share.0),
            calls: ejection.calls,
            failures: ejection.failures,
            sweep: ejection.sweep.map(|time| time.0),
            out: ejection.time.map(|time| time.0),
            ..BalancePatch::default()
        };
        let said = self.policy.as_ref().map(Patch::from).unwrap_or_default();
        Patch { balance: BalancePatch { locality: said.balance.locality, ..balance }, ..said }
    }
}

/// What a route's requests are passed on to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forward {
    /// One that is declared.
    To(Name),
    /// One of the route's own. In canonical form, each once, never empty.
    Endpoints(Vec<String>),
}

/// What a route's requests are passed on to, all that its callers share, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub name: String,
    pub upstream: Upstream,
    /// Of the upstream, not of the route.
    pub resolution: Resolution,
}

/// As a route names it: the name of an upstream, or endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Name(String),
    Endpoints(Vec<String>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Written;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of endpoints")
            }
            fn visit_str<E>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Name(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Written, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Written::Endpoints)
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Written {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Forward".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "array", "items": { "type": "string", "x-form": "upstream" } },
            { "type": "string" },
        ] })
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Endpoint;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table with `url`")
            }
            fn visit_str<E>(self, url: &str) -> Result<Endpoint, E> {
                Ok(Endpoint(Weighted::plain(url)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoint, A::Error> {
                Weighted::deserialize(MapAccessDeserializer::new(map)).map(Endpoint)
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Endpoint {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "string", "x-form": "upstream" }, generator.subschema_for::<Weighted>()] })
    }
}
