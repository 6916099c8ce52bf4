//! From a [`NodeManifest`] to a [`NodeConfig`].

use std::path::Path;

use weft_traffic::{
    Network, Networks,
    forwarded::{Forwarding, Words},
};
use weft_types::{Code, code};

use crate::{
    Problem, Report, Source,
    check::shown,
    disk::Disk,
    node::{
        Admin, Certificate, ClientAuth, Clients, Export, Forwarded, ForwardedHeader, NodeConfig, NodeLimits,
        NodeManifest, NotifySeverity, NotifyTo, NotifyWay, SecretSources,
    },
    operator::{self, Fault, Operators},
    parse::Parsed,
    tree::{Span, Spot},
};

pub(crate) fn resolve(
    source: &Source,
    parsed: Parsed<NodeManifest>,
    folder: &Path,
    disk: Disk,
) -> Result<NodeConfig, Report> {
    let mut resolver = Resolver { source, folder, disk, problems: parsed.problems };
    let config = resolver.node(&parsed.value, &Spot::root(&parsed.tree));
    match resolver.problems.is_empty() {
        true => Ok(config),
        false => Err(Report::new(resolver.problems)),
    }
}

struct Resolver<'a> {
    source: &'a Source,
    folder: &'a Path,
    disk: Disk,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn node(&mut self, node: &NodeManifest, at: &Spot<'_>) -> NodeConfig {
        let mut config = NodeConfig {
            data: node.data.as_ref().map(|data| self.folder.join(data)),
            labels: node.labels.clone(),
            ..NodeConfig::default()
        };
        self.listen(node, at, &mut config);
        config.forwarding = node.forwarded.as_ref().map(forwarding);
        self.tls(node, &at.key("tls"), &mut config);
        self.secrets(node, &at.key("secrets"), &mut config);
        if let Some(admin) = &node.admin {
            config.operators = self.operators(admin, &at.key("admin").key("token"));
        }
        self.limits(node.limits.unwrap_or_default(), &at.key("limits"), &mut config);
        if let Some(log) = &node.log {
            (config.log_format, config.log_level) = (log.format, log.level);
        }
        if let Some(otlp) = &node.otlp {
            let (endpoint, headers) = (otlp.endpoint.trim_end_matches('/').to_owned(), otlp.headers.clone());
            config.otlp = Some(Export { endpoint, headers, sample: otlp.sample.unwrap_or(100) });
            self.otlp_headers(&at.key("otlp").key("headers"), &otlp.headers);
        }
        self.notify(node, &at.key("notify"), &mut config);
        config
    }

    fn notify(&mut self, node: &NodeManifest, at: &Spot<'_>, config: &mut NodeConfig) {
        for (name, said) in &node.notify {
            let at = at.key(name);
            let pages_only = said.severity == NotifySeverity::Page;
            let way = match (&said.webhook, &said.mail) {
                (Some(url), None) => NotifyWay::Webhook { url: url.clone(), secret: said.secret.clone() },
                (None, Some(mail)) => NotifyWay::Mail(mail.clone()),
                _ => {
                    let help = "write `webhook = \"https://…\"` or `mail = { … }`";
                    let message = format!("`{}` is told by exactly one of `webhook` and `mail`", shown(name));
                    self.problem(at.key_span(), code::MANIFEST_TYPE, &message, help);
                    continue;
                }
            };
            if let (NotifyWay::Mail(mail), at) = (&way, at.key("mail")) {
                self.reference(mail.password.as_deref(), &at.key("password"));
                if said.secret.is_some() {
                    let message = "mail is not signed";
                    self.problem(at.key_span(), code::MANIFEST_TYPE, message, "`secret` signs a `webhook`");
                }
                if mail.to.is_empty() {
                    let help = "such as `to = [\"oncall@shop.example\"]`";
                    self.problem(at.key("to").value_span(), code::MANIFEST_MISSING, "it is written to nobody", help);
                }
            }
            self.reference(said.secret.as_deref(), &at.key("secret"));
            config.notify.push(NotifyTo { name: name.clone(), pages_only, way });
        }
    }

    /// A secret is named here and never written.
    fn reference(&mut self, said: Option<&str>, at: &Spot<'_>) {
        if said.is_some_and(|text| !text.starts_with("secret:")) {
            let help = "write `secret:NAME`, and give the node that secret";
            self.problem(at.value_span(), code::MANIFEST_TYPE, "a secret does not stand in this file", help);
        }
    }

    /// The schema has checked the form of every address.
    fn listen(&mut self, node: &NodeManifest, at: &Spot<'_>, config: &mut NodeConfig) {
        let Some(listen) = &node.listen else { return };
        if let Some(http) = &listen.http {
            config.http = http.iter().filter_map(|address| address.parse().ok()).collect();
        }
        config.https = listen.https.iter().filter_map(|address| address.parse().ok()).collect();
        if let Some(admin) = listen.admin.as_ref().and_then(|address| address.parse().ok()) {
            config.admin = admin;
        }
        config.proxies = networks(&listen.proxy_protocol);
        let at = at.key("listen");
        if config.http.is_empty() && config.https.is_empty() {
            let help = "add an address to `http` or `https`";
            self.problem(at.key_span(), code::MANIFEST_MISSING, "the node would listen nowhere", help);
        }
        if !config.https.is_empty() && node.tls.is_empty() {
            let help = "add `[[tls]]` with `cert` and `key`";
            self.problem(at.key("https").key_span(), code::MANIFEST_MISSING, "`https` needs a certificate", help);
        }
        config.clients = self.clients(listen, &at);
        self.same_address(listen, &at);
    }

    fn clients(&mut self, listen: &crate::node::Listen, at: &Spot<'_>) -> Option<Clients> {
        let keys = [("client-auth", listen.client_auth.is_some()), ("client-crl", listen.client_crl.is_some())];
        let Some(authorities) = &listen.client_ca else {
            for (key, _) in keys.iter().filter(|(_, given)| *given) {
                let message = format!("`{key}` has no effect: no client is asked for a certificate");
                let help = "add `client-ca`, a file with the authorities that sign them";
                self.problem(at.key(key).key_span(), code::MANIFEST_MISSING, &message, help);
            }
            return None;
        };
        if listen.https.is_empty() {
            let (message, help) = ("`client-ca` has no effect: nothing speaks TLS", "add an address to `https`");
            self.problem(at.key("client-ca").key_span(), code::MANIFEST_MISSING, message, help);
        }
        self.file(authorities, at.key("client-ca").value_span());
        listen.client_crl.iter().for_each(|lists| self.file(lists, at.key("client-crl").value_span()));
        Some(Clients {
            authorities: self.folder.join(authorities),
            revoked: listen.client_crl.as_ref().map(|lists| self.folder.join(lists)),
            required: listen.client_auth == Some(ClientAuth::Required),
        })
    }

    fn same_address(&mut self, listen: &crate::node::Listen, at: &Spot<'_>) {
        let http = listen.http.iter().flatten().enumerate().map(|(i, a)| (a, at.key("http").item(i)));
        let https = listen.https.iter().enumerate().map(|(i, a)| (a, at.key("https").item(i)));
        let admin = listen.admin.iter().map(|a| (a, at.key("admin")));
        let all: Vec<_> = http.chain(https).chain(admin).collect();
        for (i, (address, spot)) in all.iter().enumerate().filter(|(_, (address, _))| !address.ends_with(":0")) {
            if let Some((_, first)) = all[..i].iter().find(|(other, _)| other == address) {
                let message = format!("`{address}` is listened on twice");
                let problem =
                    Problem::at(self.source, spot.value_span(), code::MANIFEST_DUPLICATE, message, "again here");
                self.problems.push(problem.mark(first.value_span(), "first here").help("give each its own port"));
            }
        }
    }

    fn operators(&mut self, admin: &Admin, at: &Spot<'_>) -> Operators {
        let (operators, faults) = operator::operators(admin);
        for fault in faults {
            let (name, message, help) = match fault {
                Fault::Hash(name) => (
                    name,
                    format!("the hash of `{name}` is not `sha256:` and 64 hexadecimal digits"),
                    "`weft key new --operator reader NAME` makes a token, and prints its hash; the token itself never stands here",
                ),
                Fault::Twice(name, other) => {
                    (name, format!("`{other}` has the same hash"), "give each operator a token of its own")
                }
            };
            let span = at.key(name).key("hash").value_span();
            self.problem(span, code::MANIFEST_TYPE, &message, help);
        }
        operators
    }

    fn tls(&mut self, node: &NodeManifest, at: &Spot<'_>, config: &mut NodeConfig) {
        for (i, tls) in node.tls.iter().enumerate() {
            let spot = at.item(i);
            self.file(&tls.cert, spot.key("cert").value_span());
            self.file(&tls.key, spot.key("key").value_span());
            let (cert, key) = (self.folder.join(&tls.cert), self.folder.join(&tls.key));
            config.tls.push(Certificate { cert, key });
        }
    }

    fn secrets(&mut self, node: &NodeManifest, at: &Spot<'_>, config: &mut NodeConfig) {
        let Some(secrets) = &node.secrets else { return };
        if let Some(file) = &secrets.file {
            self.file(file, at.key("file").value_span());
        }
        if let Some(encrypted) = &secrets.encrypted {
            self.file(&encrypted.file, at.key("encrypted").key("file").value_span());
            self.file(&encrypted.key_file, at.key("encrypted").key("key-file").value_span());
        }
        config.secrets = SecretSources {
            env_prefix: secrets.env_prefix.clone(),
            file: secrets.file.as_ref().map(|file| self.folder.join(file)),
            encrypted: secrets.encrypted.as_ref().map(|e| (self.folder.join(&e.file), self.folder.join(&e.key_file))),
        };
    }

    fn limits(&mut self, limits: NodeLimits, at: &Spot<'_>, config: &mut NodeConfig) {
        set(&mut config.connections, limits.connections.map(|n| n as usize));
        set(&mut config.cache, limits.cache.map(|size| size.0));
        set(&mut config.head_timeout, limits.head_timeout.map(|time| time.0));
        set(&mut config.idle_timeout, limits.idle_timeout.map(|time| time.0));
        set(&mut config.head_max, limits.head.map(|size| size.0 as usize));
        set(&mut config.headers_max, limits.headers.map(|n| n as usize));
        set(&mut config.streams, limits.streams);
        set(&mut config.drain, limits.drain.map(|time| time.0));
        set(&mut config.instances, limits.instances);
        set(&mut config.code_max, limits.code.map(|size| size.0));
        set(&mut config.code_idle, limits.code_idle.map(|time| time.0));
        set(&mut config.instance_idle, limits.instance_idle.map(|time| time.0));
        if !(8 << 10..=1 << 20).contains(&config.head_max) {
            let span = at.key("head").value_span();
            self.problem(span, code::MANIFEST_TYPE, "a head's size is from 8KiB to 1MiB", "such as `head = \"32KiB\"`");
        }
    }

    fn otlp_headers(&mut self, at: &Spot<'_>, headers: &std::collections::BTreeMap<String, String>) {
        for (name, value) in headers {
            if value.parse::<http::HeaderValue>().is_err() {
                let message = format!("the value of `{}` is not a header value", shown(name));
                self.problem(
                    at.key(name).value_span(),
                    code::MANIFEST_TYPE,
                    &message,
                    "printable ASCII, or `secret:NAME`",
                );
            }
        }
    }

    fn file(&mut self, written: &str, span: Span) {
        if let Err(why) = self.disk.file(&self.folder.join(written)) {
            let help = format!("paths are relative to the folder of {}", self.source.file);
            self.problem(span, code::FILE_MISSING, &format!("`{}` {why}", shown(written)), &help);
        }
    }

    fn problem(&mut self, span: Span, code: Code, message: &str, help: &str) {
        self.problems.push(Problem::at(self.source, span, code, message, "here").help(help));
    }
}

/// The schema has checked the form of each.
fn networks(said: &[String]) -> Networks {
    said.iter().filter_map(|text| text.parse::<Network>().ok()).collect()
}

fn forwarding(said: &Forwarded) -> Forwarding {
    let words = match said.header {
        ForwardedHeader::XForwarded => Words::XForwarded,
        ForwardedHeader::Forwarded => Words::Forwarded,
    };
    Forwarding { trusted: networks(&said.trusted), words }
}

fn set<T>(field: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *field = said;
    }
}
