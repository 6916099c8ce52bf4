//! `proxy/envoy`, `proxy/nginx`: requests a second of CPU in front of one upstream, and the latency at a rate that all bear.

use std::{env, net::SocketAddr, process::Command, time::Duration};

use super::{
    Found,
    open::{self, At, PATIENCE},
    proxies::{self, Filter},
};
use crate::{
    args::Args,
    figure::Figure,
    load::ROOT,
    server::{Ready, Server},
    turns::{By, compare},
};

/// Requests a second at which latencies are compared: a third of what the slowest of the three bears here.
const RATE: f64 = 3_000.0;

/// The service behind all of them.
pub(crate) fn origin(mode: &str) -> Result<Server, String> {
    let me = env::current_exe().map_err(|e| e.to_string())?;
    Server::start("origin", Command::new(me).arg(mode), &Ready::Url)
}

pub(crate) fn run(args: &Args, found: &mut Found) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let origin = origin("bare-hyper")?;
    let ours = proxies::ours(origin.address, "", scratch.path())?;
    for (name, start) in [("proxy/envoy", Peer::Envoy), ("proxy/nginx", Peer::Nginx)] {
        if !args.wants(name) && args.only.as_deref() != Some("proxy") {
            continue;
        }
        eprintln!("{name}: {} rounds of {:?} each", args.rounds, args.turn);
        let peer = start.start(origin.address, &scratch.path().join(name))?;
        let row = compare((name, By::Cpu), &ours, &peer, args.rounds, args.turn)?;
        eprintln!("  ratio {:.2} ± {:.2}: CPU {:.1} / {:.1} µs", row.ratio, row.spread, row.ours_cpu, row.peer_cpu);
        found.rows.push(row);
        found.figures.extend(latency(name, &ours, &peer, args)?);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Peer {
    Envoy,
    Nginx,
}

impl Peer {
    fn start(self, origin: SocketAddr, scratch: &std::path::Path) -> Result<Server, String> {
        match self {
            Self::Envoy => proxies::envoy(origin, Filter::None, scratch),
            Self::Nginx => proxies::nginx(origin, scratch),
        }
    }
}

/// Open-loop latencies at the same rate, taking turns: ours, the peer's, and the ratio of the 99th percentiles.
fn latency(name: &str, ours: &Server, peer: &Server, args: &Args) -> Result<[Figure; 3], String> {
    let at = At {
        ask: ROOT,
        rate: RATE,
        lasting: args.turn.max(Duration::from_secs(1)),
        connections: 64,
        patience: PATIENCE,
    };
    let (mut mine, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (a, b) = (open::load(ours.address, at)?.whole()?, open::load(peer.address, at)?.whole()?);
        mine.push(a.p99);
        theirs.push(b.p99);
        ratios.push(a.p99 / b.p99);
    }
    // Only Envoy's is promised.
    let promised = (name == "proxy/envoy").then_some(1.0);
    Ok([
        Figure::of(format!("{name}/p99-ours"), "ms", &mine, None),
        Figure::of(format!("{name}/p99-peer"), "ms", &theirs, None),
        Figure::of(format!("{name}/p99-ratio"), "of the peer's", &ratios, promised),
    ])
}
