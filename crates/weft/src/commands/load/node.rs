//! The node behind what is loaded, where it is one that is known here: what it says of itself meanwhile.

use std::{net::IpAddr, pin::Pin, time::Duration};

use http::Uri;
use tokio::time::timeout;
use weft_api::{Serves, Status, path};
use weft_load::{
    cause::{Component, Sample},
    session::Look,
};
use weft_types::code;

use crate::{
    client::{Admin, Target},
    failure::Failure,
};

/// A node that does not answer within this has other worries.
const PATIENCE: Duration = Duration::from_secs(2);

pub(in crate::commands) struct Node {
    admin: Admin,
    /// How many processors it may use, where it runs on this machine.
    processors: Option<usize>,
}

impl Node {
    /// The node of which `uri` is a listener. None is no failure, unless one was named.
    pub(super) async fn behind(uri: &Uri, target: &Target) -> Result<Option<Self>, Failure> {
        let admin = match target.find() {
            Ok(admin) => admin,
            Err(failure) if target.is_named() => return Err(failure),
            Err(_) => return Ok(None),
        };
        match timeout(PATIENCE, admin.get::<Status>(path::STATUS)).await {
            Ok(Ok(status)) if target.is_named() || listens(&status, uri) => Ok(Some(Self { admin, processors: None })),
            Ok(Err(failure)) if target.is_named() => Err(failure),
            _ => Ok(None),
        }
    }

    /// The node that is known here, and the URL at which it serves.
    pub(in crate::commands) async fn with_url(target: &Target) -> Result<(Self, Uri), Failure> {
        let admin = target.find()?;
        let status: Status = admin.get(path::STATUS).await?;
        let urls = || status.listeners.iter().filter(|listener| listener.serves == Serves::Applications);
        let plain = urls().find(|listener| listener.url.starts_with("http://"));
        let uri = plain.or(urls().next()).and_then(|listener| listener.url.parse().ok());
        let uri =
            uri.ok_or_else(|| Failure::new(code::NODE_UNREACHABLE, "weft", "the node has no listener for requests"))?;
        Ok((Self { admin, processors: None }, uri))
    }

    /// Its admin API.
    pub(in crate::commands) fn into_admin(self) -> Admin {
        self.admin
    }

    pub(super) fn on_this_machine(mut self, is: bool) -> Self {
        self.processors = is.then(|| std::thread::available_parallelism().ok()).flatten().map(usize::from);
        self
    }

    async fn sample(&self) -> Option<Sample> {
        let (status, metrics) = tokio::join!(self.admin.get::<Status>(path::STATUS), self.admin.text(path::METRICS));
        let components = status.ok()?.applications.into_iter().flat_map(|application| {
            let of = application.summary.name;
            application.components.into_iter().map(move |component| Component {
                name: format!("{of}/{}", component.name),
                active: component.active,
                waiting: component.waiting,
                shed: component.shed,
            })
        });
        let cpu_seconds = cpu_seconds(&metrics.ok()?)?;
        Some(Sample { at: Duration::ZERO, cpu_seconds, processors: self.processors, components: components.collect() })
    }
}

impl Look for Node {
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Sample>> + Send + '_>> {
        Box::pin(async { timeout(PATIENCE, self.sample()).await.ok().flatten() })
    }
}

fn cpu_seconds(metrics: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "))?.trim().parse().ok()
}

/// Whether the node has a listener for requests at this address.
fn listens(status: &Status, uri: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    status.listeners.iter().filter(|listener| listener.serves == Serves::Applications).any(|listener| {
        let Ok(url) = listener.url.parse::<Uri>() else { return false };
        let here = |host: &str| host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let all = host(&url).parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
        port(&url) == port(uri) && (all || host(&url) == host(uri) || here(&host(&url)) && here(&host(uri)))
    })
}

#[cfg(test)]
mod tests {
    use weft_api::{Listener, NodeState};

    use super::*;

    #[test]
    fn a_url_is_the_nodes_by_its_port_and_host() {
        let listener = |url: &str, serves| Listener { url: url.to_owned(), serves };
        let status = Status {
            version: String::new(),
            started_ms: 0,
            node: NodeState::Ready,
            listeners: vec![
                listener("http://127.0.0.1:3000", Serves::Applications),
                listener("https://0.0.0.0:443", Serves::Applications),
                listener("http://127.0.0.1:3001", Serves::Admin),
            ],
            data: String::new(),
            stores: Vec::new(),
            applications: Vec::new(),
        };
        let is = |url: &str| listens(&status, &url.parse().expect("a URL"));
        assert!(is("http://127.0.0.1:3000/x") && is("http://localhost:3000") && is("https://shop.example/"));
        assert!(!is("http://127.0.0.1:3001") && !is("http://10.0.0.7:3000") && !is("http://localhost"));
    }

    #[test]
    fn processor_time_is_read_from_metrics() {
        let text = "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 12.5\nprocess_threads 7\n";
        assert_eq!(cpu_seconds(text), Some(12.5));
        assert_eq!(cpu_seconds(""), None);
    }
}
