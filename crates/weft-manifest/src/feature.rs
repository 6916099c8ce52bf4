//! What a route does besides finding who answers: the tables that its author writes. A resolved route keeps them as
//! they are; [`crate::feature_lower`] makes of them what the gateway runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Size, Time};

/// Changes to the headers of a request, before the component sees it: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.request-headers"))]
pub struct RequestHeaders {
    /// Headers that are taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "request-header"}, "examples" = [["x-debug"]]))]
    pub remove: Vec<String>,
    /// Headers that have one value, whatever the client sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = {"x-form": "request-header"}, "additionalProperties" = {"type": "string", "x-form": "header-value"}, "examples" = [{"x-from": "gateway"}]))]
    pub set: BTreeMap<String, String>,
    /// Headers that come beside whatever the client sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = {"x-form": "request-header"}, "additionalProperties" = {"type": "string", "x-form": "header-value"}))]
    pub add: BTreeMap<String, String>,
}

/// Changes to the headers of an answer: first `remove`, then `set`, then `add`. An error that the node itself
/// answers is given what it lacks, and loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.response-headers"))]
pub struct ResponseHeaders {
    /// Headers that are taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "response-header"}, "examples" = [["x-powered-by"]]))]
    pub remove: Vec<String>,
    /// Headers that have one value, whatever the component said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = {"x-form": "response-header"}, "additionalProperties" = {"type": "string", "x-form": "header-value"}, "examples" = [{"strict-transport-security": "max-age=31536000"}]))]
    pub set: BTreeMap<String, String>,
    /// Headers that come beside whatever the component said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = {"x-form": "response-header"}, "additionalProperties" = {"type": "string", "x-form": "header-value"}))]
    pub add: BTreeMap<String, String>,
}

/// The path and host that the component sees. The query stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.rewrite"))]
pub struct Rewrite {
    /// A segment `:id` is filled from the route's path, a last `*` by what its `*` matched.
    #[schemars(extend("x-form" = "text", "examples" = ["/v2/orders/:id"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whole segments at the start of the route's path that are taken off. Not beside `path`.
    #[schemars(extend("x-form" = "text", "examples" = ["/api"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// A host, and perhaps a port.
    #[schemars(extend("x-form" = "host", "examples" = ["orders.internal"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Which pages of other origins may read this route's answers (CORS). Preflights are answered by the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.cors"))]
pub struct Cors {
    /// Origins as browsers send them: `https://shop.example`, with its port where it is not the usual one. A first
    /// label may be `*`: `https://*.example.com`. `"*"` alone stands for every page, and not with `credentials`.
    #[schemars(extend("items" = {"type": "string", "x-form": "origin"}, "examples" = [["https://shop.example"]]))]
    pub origins: Vec<String>,
    /// Methods that pages may use. Absent: whatever the route takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "method-or-any"}, "examples" = [["GET", "PUT"]]))]
    pub methods: Vec<String>,
    /// Request headers that pages may send, beside those that every page may. `"*"` stands for all but `authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "header-or-any"}, "examples" = [["content-type", "authorization"]]))]
    pub headers: Vec<String>,
    /// Headers of answers that pages may read, beside those that every page may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "header-or-any"}, "examples" = [["etag"]]))]
    pub expose: Vec<String>,
    /// Whether pages may send cookies and other credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight. Absent: as long as it likes, which is 5 seconds.
    #[schemars(extend("examples" = ["10m"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Time>,
}

/// Compression of this route's answers, while they pass, where the client asks for it. Answers that are compressed
/// already, ranges, and what says `no-transform` stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.compression"))]
pub struct Compression {
    /// What may be used. The first is taken of those that a client likes best.
    #[schemars(extend("default" = ["zstd", "br", "gzip"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codings: Vec<Coding>,
    /// An answer that says that it is shorter stays plain.
    #[schemars(extend("default" = "1KiB"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Size>,
    /// Media types; `text/*` and `application/*+json` stand for several. Absent: text in its many forms, JSON, XML, SVG,
    /// WebAssembly, and fonts that are not compressed in themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "media-type"}, "examples" = [["text/*", "application/json"]]))]
    pub types: Vec<String>,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Coding {
    Zstd,
    Br,
    Gzip,
}

/// Answers of this route that are kept for others (RFC 9111), in memory, for each tenant and revision. Whoever answers
/// is shown nothing of a request but its address and what is named here, or what an answer's `Vary` has named: nothing
/// else can change what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "route.cache"))]
pub struct Cache {
    /// How long an answer is kept that does not say so itself. Absent: it is asked about each time, if it has a validator.
    #[schemars(extend("examples" = ["10s"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Time>,
    /// Headers of requests that are shown, and for whose values answers are kept apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "key-header"}, "examples" = [["accept-language"]]))]
    pub key: Vec<String>,
    /// Headers of requests that are shown although answers are not kept apart for them: by naming one you promise that it
    /// never changes an answer, unless the answer's `Vary` says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "x-form": "forward-header"}))]
    pub forward: Vec<String>,
    /// Whether requests with cookies are answered as if they had none. Otherwise they go past the cache.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_cookies: bool,
    /// How long an old answer is still given while it is asked about, where it does not say so itself.
    #[schemars(extend("default" = "0s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<Time>,
    /// How long an old answer is still given where the new one failed, and it does not say so itself.
    #[schemars(extend("default" = "0s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<Time>,
    /// Longest body that is kept.
    #[schemars(extend("default" = "1MiB"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
    /// All that is kept of this route. Every route together is bounded by `limits.cache` of the node.
    #[schemars(extend("default" = "16MiB"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// All of a route's, as a revision keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Features {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<RequestHeaders>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<ResponseHeaders>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

impl Features {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
