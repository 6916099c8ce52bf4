//! `node.toml`: what the operator of a node says. As written ([`NodeManifest`]) and with defaults ([`NodeConfig`]).

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use weft_traffic::{Networks, forwarded::Forwarding};

pub use crate::operator::Admin;
use crate::{
    operator::Operators,
    values::{Later, Size, Time},
};

/// One node: where it listens, where it keeps data, what it bears.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "node.toml"))]
pub struct NodeManifest {
    /// Version of this format. Always 1.
    #[schemars(extend("const" = 1))]
    pub node: u32,
    /// Where it listens.
    pub listen: Option<Listen>,
    /// Proxies in front that are believed about who is calling. Absent: none is, and components are not told.
    pub forwarded: Option<Forwarded>,
    /// The folder in which it keeps everything, relative to the file's own. `--data` overrides it.
    #[schemars(extend("x-form" = "path", "default" = ".weft", "examples" = ["/var/lib/weft"]))]
    pub data: Option<String>,
    /// Certificates: one `[[tls]]` table each. The files are read again when they change.
    #[serde(default)]
    pub tls: Vec<Tls>,
    /// Where secrets come from. Asked in the order environment, file, encrypted file; the first that has one answers.
    pub secrets: Option<Secrets>,
    /// Who may ask what of the admin API.
    pub admin: Option<Admin>,
    /// What listeners and the node as a whole bear.
    pub limits: Option<NodeLimits>,
    /// Logs.
    pub log: Option<Log>,
    /// Traces by OTLP over HTTP. Absent: none are sent.
    pub otlp: Option<Otlp>,
    /// Who is told when a service level burns: one `[notify.NAME]` table each.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "name"}))]
    pub notify: BTreeMap<String, Notify>,
    /// What the node is called where telemetry and placement speak of it.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "text"}, "examples" = [{"zone": "eu-1a"}]))]
    pub labels: BTreeMap<String, String>,
    /// Engines of stores.
    #[schemars(extend("x-unsupported" = "every store is kept in the embedded engine in this version"))]
    pub store: Option<Later>,
    /// Other nodes.
    #[schemars(extend("x-unsupported" = "a node stands alone in this version; clusters are not built yet"))]
    pub peers: Option<Later>,
    /// Queue and workflow wires of AWS.
    #[schemars(extend("x-unsupported" = "the AWS wires are not served by this version yet"))]
    pub aws: Option<Later>,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "listen"))]
pub struct Listen {
    /// Addresses for HTTP/1.1 and HTTP/2 in clear. `--listen` overrides them.
    #[schemars(extend("items" = {"type": "string", "x-form": "address"}, "default" = ["127.0.0.1:3000"]))]
    pub http: Option<Vec<String>>,
    /// Addresses for TLS. They need at least one `[[tls]]`.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "address"}, "examples" = [["0.0.0.0:443"]]))]
    pub https: Vec<String>,
    /// A file with the authorities, as PEM, that sign certificates of clients on `https`. With it, clients are asked for
    /// one. Read again when it changes.
    #[schemars(extend("x-form" = "path", "examples" = ["tls/clients-ca.pem"]))]
    pub client_ca: Option<String>,
    /// Whether a client without a certificate is turned away (`required`), or is nobody (`optional`). One that is
    /// expired, revoked or of another authority is turned away always.
    #[schemars(extend("default" = "optional"))]
    pub client_auth: Option<ClientAuth>,
    /// A file with lists of revoked certificates, as PEM, of the authorities of `client-ca`. One without a list has
    /// revoked none. Read again when it changes.
    #[schemars(extend("x-form" = "path", "examples" = ["tls/revoked.pem"]))]
    pub client_crl: Option<String>,
    /// Address of the admin API, health and `/metrics`. `--admin` overrides it. Port 0: any free one.
    #[schemars(extend("x-form" = "address", "default" = "127.0.0.1:0"))]
    pub admin: Option<String>,
    /// Networks of load balancers that speak the PROXY protocol (1 or 2): each connection from there, on `http` and
    /// `https`, must begin with its header. Connections from elsewhere have none.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "x-form": "network"}, "examples" = [["10.0.0.0/8"]]))]
    pub proxy_protocol: Vec<String>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ClientAuth {
    #[default]
    Optional,
    Required,
}

/// Proxies in front that are believed about who is calling. Whatever anybody else says of it is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "forwarded"))]
pub struct Forwarded {
    /// Their networks. Empty: nobody is believed, and components are told who connected.
    #[schemars(extend("items" = {"type": "string", "x-form": "network"}, "examples" = [["10.0.0.0/8"]]))]
    pub trusted: Vec<String>,
    /// The words that they use, and that components are told in. The other words are never read, and never passed on.
    #[serde(default)]
    #[schemars(extend("default" = "x-forwarded"))]
    pub header: ForwardedHeader,
}

/// How proxies say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// One certificate, for the names that are in it. The first is for clients that name no host, or one that no certificate
/// has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "[tls]"))]
pub struct Tls {
    /// The chain as PEM, relative to the file's own folder.
    #[schemars(extend("x-form" = "path", "examples" = ["tls/shop.pem"]))]
    pub cert: String,
    /// The private key as PEM.
    #[schemars(extend("x-form" = "path", "examples" = ["tls/shop.key"]))]
    pub key: String,
}

/// Providers of secrets. None is asked unless it is named here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "secrets"))]
pub struct Secrets {
    /// Secret `stripe-key` is the variable PREFIX`STRIPE_KEY` of the node's environment.
    #[schemars(extend("x-form" = "variable", "examples" = ["WEFT_SECRET_"]))]
    pub env_prefix: Option<String>,
    /// A TOML file of `name = "value"`, readable by its owner alone.
    #[schemars(extend("x-form" = "path", "examples" = ["secrets.toml"]))]
    pub file: Option<String>,
    /// The same, encrypted.
    pub encrypted: Option<Encrypted>,
}

/// An encrypted file of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "secrets.encrypted"))]
pub struct Encrypted {
    /// The file.
    #[schemars(extend("x-form" = "path", "examples" = ["secrets.weft"]))]
    pub file: String,
    /// A file that holds the key, readable by its owner alone.
    #[schemars(extend("x-form" = "path", "examples" = ["/run/secrets/weft.key"]))]
    pub key_file: String,
}

/// What a node bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "limits"))]
pub struct NodeLimits {
    /// Connections at once, for each listener.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 16_384))]
    pub connections: Option<u32>,
    /// Bytes of answers kept in memory for all routes with a `cache` together.
    #[schemars(extend("default" = "64MiB"))]
    pub cache: Option<Size>,
    /// Longest time from the first byte of a request, or from accepting, to the end of its head.
    #[schemars(extend("default" = "10s"))]
    pub head_timeout: Option<Time>,
    /// Longest pause between two requests of a connection.
    #[schemars(extend("default" = "60s"))]
    pub idle_timeout: Option<Time>,
    /// Size of a request's head.
    #[schemars(extend("default" = "32KiB"))]
    pub head: Option<Size>,
    /// Header lines of a request.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub headers: Option<u32>,
    /// HTTP/2 streams at once on one connection.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 256))]
    pub streams: Option<u32>,
    /// Longest time for calls in progress to end after SIGTERM.
    #[schemars(extend("default" = "30s"))]
    pub drain: Option<Time>,
    /// Instances at once in the whole node.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 1_000))]
    pub instances: Option<u32>,
    /// Compiled code kept in memory, looked at every few seconds: beyond that, what was used longest ago is evicted. It
    /// comes back from the data folder within milliseconds.
    #[schemars(extend("default" = "1GiB"))]
    pub code: Option<Size>,
    /// Code that no call has used for so long is evicted.
    #[schemars(extend("default" = "5m"))]
    pub code_idle: Option<Time>,
    /// A warm instance that no call has used for so long is dropped.
    #[schemars(extend("default" = "30s"))]
    pub instance_idle: Option<Time>,
}

/// Logs, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "log"))]
pub struct Log {
    /// Absent: text on a terminal, JSON elsewhere. `--log` overrides it.
    pub format: Option<LogFormat>,
    /// The least severe level that is written.
    #[serde(default)]
    #[schemars(extend("default" = "info"))]
    pub level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Where traces are sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "otlp"))]
pub struct Otlp {
    /// Base address of a collector; `/v1/traces` is added.
    #[schemars(extend("x-form" = "url", "examples" = ["http://127.0.0.1:4318"]))]
    pub endpoint: String,
    /// Headers of each request: name = value, or `secret:NAME` for one that the node's secrets hold.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "header"}, "examples" = [{"authorization": "secret:otlp-token"}]))]
    pub headers: BTreeMap<String, String>,
    /// Share of traces begun here that are sent, in percent. Traces begun elsewhere keep their caller's choice.
    #[schemars(range(min = 0, max = 100), extend("default" = 100))]
    pub sample: Option<u32>,
}

/// Somebody who is told when a service level burns, and when it has recovered: by exactly one of `webhook` and `mail`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "notify.NAME"))]
pub struct Notify {
    /// Where a JSON message is posted.
    #[schemars(extend("x-form" = "url", "examples" = ["https://hooks.example/weft"]))]
    pub webhook: Option<String>,
    /// By which messages are signed (HMAC-SHA256): `secret:NAME` of the node's secrets.
    #[schemars(extend("x-form" = "text", "examples" = ["secret:hook-key"]))]
    pub secret: Option<String>,
    /// To whom it is written.
    pub mail: Option<Mail>,
    /// The least severe that is told: `ticket` (look soon) or `page` (wake someone).
    #[serde(default)]
    #[schemars(extend("default" = "ticket"))]
    pub severity: NotifySeverity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum NotifySeverity {
    #[default]
    Ticket,
    Page,
}

/// Mail by SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "notify.NAME.mail"))]
pub struct Mail {
    /// `smtps://HOST` for TLS from the first byte, `smtp://HOST` for STARTTLS, which is demanded but on this machine.
    #[schemars(extend("x-form" = "text", "examples" = ["smtps://mail.example"]))]
    pub server: String,
    /// Who writes.
    #[schemars(extend("x-form" = "text", "examples" = ["weft@shop.example"]))]
    pub from: String,
    /// To whom.
    #[schemars(extend("items" = {"type": "string", "x-form": "text"}, "examples" = [["oncall@shop.example"]]))]
    pub to: Vec<String>,
    /// As whom it logs in.
    #[schemars(extend("x-form" = "text"))]
    pub user: Option<String>,
    /// `secret:NAME` of the node's secrets.
    #[schemars(extend("x-form" = "text", "examples" = ["secret:smtp"]))]
    pub password: Option<String>,
}

/// A node's configuration with every default filled in. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: SocketAddr,
    /// Whose connections begin with a PROXY header.
    pub proxies: Networks,
    pub forwarding: Option<Forwarding>,
    /// `None`: not said, so that a flag, a variable or the default decides.
    pub data: Option<PathBuf>,
    pub tls: Vec<Certificate>,
    /// `None`: clients are asked for no certificate.
    pub clients: Option<Clients>,
    pub secrets: SecretSources,
    /// Who may use the admin API, besides whoever knows the token in admin.json.
    pub operators: Operators,
    pub connections: usize,
    /// Bytes.
    pub cache: u64,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    /// Bytes.
    pub head_max: usize,
    pub headers_max: usize,
    pub streams: u32,
    pub drain: Duration,
    pub instances: u32,
    /// Bytes.
    pub code_max: u64,
    pub code_idle: Duration,
    pub instance_idle: Duration,
    pub log_format: Option<LogFormat>,
    pub log_level: Level,
    pub otlp: Option<Export>,
    pub notify: Vec<NotifyTo>,
    pub labels: BTreeMap<String, String>,
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyTo {
    pub name: String,
    pub pages_only: bool,
    pub way: NotifyWay,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyWay {
    /// The secret is `secret:NAME`.
    Webhook {
        url: String,
        secret: Option<String>,
    },
    Mail(NotifyMail),
}

/// Mail as it is written; a password is `secret:NAME`.
pub type NotifyMail = Mail;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// How clients' certificates are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    pub authorities: PathBuf,
    pub revoked: Option<PathBuf>,
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretSources {
    pub env_prefix: Option<String>,
    pub file: Option<PathBuf>,
    /// The file and that of its key.
    pub encrypted: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub endpoint: String,
    /// A value may be `secret:NAME`.
    pub headers: BTreeMap<String, String>,
    /// Percent.
    pub sample: u32,
}

impl Default for NodeConfig {
    /// No file at all: everything embedded, loopback.
    fn default() -> Self {
        Self {
            http: vec![SocketAddr::from(([127, 0, 0, 1], 3000))],
            https: Vec::new(),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            proxies: Networks::default(),
            forwarding: None,
            data: None,
            tls: Vec::new(),
            clients: None,
            secrets: SecretSources::default(),
            operators: Operators::new(),
            connections: 16 * 1024,
            cache: 64 << 20,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            head_max: 32 * 1024,
            headers_max: 100,
            streams: 256,
            drain: Duration::from_secs(30),
            instances: 1_000,
            code_max: 1 << 30,
            code_idle: Duration::from_secs(5 * 60),
            instance_idle: Duration::from_secs(30),
            log_format: None,
            log_level: Level::Info,
            otlp: None,
            notify: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}
