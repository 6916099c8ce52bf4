//! More load than there is capacity, open loop: what is still done, how fast, and for whom.
//!
//! The generator, the origin and the server share the machine's cores, so what ten times the capacity costs to send is
//! missing from what can be done: the goodput is bounded by that too.

use std::{path::Path, time::Duration};

use super::{
    Found,
    open::{self, At, Load},
    proxies::{self, Filter, up, write},
    proxy::origin,
};
use crate::{
    args::{Args, guest},
    figure::Figure,
    load::Ask,
    server::Server,
    turns::{Row, median},
};

/// Loads, as multiples of the capacity.
const TIMES: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];
/// Load at which nothing waits for anything: its p99 is the unloaded one.
const UNLOADED: f64 = 0.1;
/// What the important few ask, as a part of the capacity, beside all the load.
const FEW: f64 = 0.1;
/// How long a client waits. What comes later is not goodput.
const PATIENCE: Duration = Duration::from_secs(1);
/// One guest under load.
struct Subject {
    name: &'static str,
    ask: Ask<'static>,
    few: Ask<'static>,
    /// So many that each ask again as soon as they are answered find the capacity.
    clients: usize,
}

const COMPUTING: Subject = Subject {
    name: "overload/computing",
    ask: Ask { path: "/work?10", headers: &[] },
    few: Ask { path: "/few/work?10", headers: &[] },
    clients: 4,
};
/// Thirty milliseconds of waiting, then a little work.
const WAITING: Subject = Subject {
    name: "overload/waiting",
    ask: Ask { path: "/wait?30", headers: &[] },
    few: Ask { path: "/few/wait?30", headers: &[] },
    clients: 200,
};

const MANIFEST: &str = r#"manifest = 1
name = "overload"

[component.api]
source = "faults.wasm"
isolation = "instance"

[[route]]
path = "/*"
component = "api"

[[route]]
path = "/few/*"
component = "api"
rewrite = { strip-prefix = "/few" }
policy = { priority = "interactive" }
"#;

pub(crate) fn run(args: &Args, found: &mut Found) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    for subject in [COMPUTING, WAITING] {
        if args.wants(subject.name) || args.only.as_deref() == Some("overload") {
            one(&subject, &scratch.path().join(subject.name), args, found)?;
        }
    }
    if args.wants("overload/envoy") || args.only.as_deref() == Some("overload") {
        envoy(scratch.path(), args, found)?;
    }
    Ok(())
}

fn one(subject: &Subject, folder: &Path, args: &Args, found: &mut Found) -> Result<(), String> {
    write(&folder.join("weft.toml"), MANIFEST)?;
    std::fs::copy(guest("faults-p2.wasm")?, folder.join("faults.wasm")).map_err(|e| e.to_string())?;
    let server = up(folder, None)?;
    let capacity = capacity(&server, subject.ask, subject.clients, args)?;
    eprintln!("{}: capacity {capacity:.0}/s", subject.name);
    let at = |ask, rate| At { ask, rate, lasting: lasting(args), connections: 256, patience: PATIENCE };
    let unloaded = rounds(args, |_| open::load(server.address, at(subject.ask, capacity * UNLOADED))?.whole())?;
    let unloaded = median(unloaded.iter().map(|load| load.p99));
    let few_alone = rounds(args, |_| open::load(server.address, at(subject.few, capacity * FEW))?.whole())?;
    let few_alone = median(few_alone.iter().map(|load| load.p99));
    let (mut worst, mut slowest) = (None::<Row>, Vec::new());
    for times in TIMES {
        let both = rounds(args, |_| {
            let few = open::start(server.address, at(subject.few, capacity * FEW))?;
            let all = open::load(server.address, at(subject.ask, capacity * times))?;
            Ok((all, few.wait()?))
        })?;
        let good: Vec<f64> = both.iter().map(|(all, few)| (all.ok_per_s + few.ok_per_s) / capacity).collect();
        let p99 = median(both.iter().map(|(all, _)| all.p99)) / unloaded;
        let few = median(both.iter().map(|(_, few)| few.p99)) / few_alone;
        let served = median(both.iter().map(|(_, few)| 100.0 * few.ok / few.requests));
        let goodput = median(good.iter().copied());
        eprintln!(
            "  {times}×: goodput {goodput:.2}, p99 {p99:.1} × unloaded; the few: {served:.1} % served, p99 {few:.1} ×"
        );
        let name = |what: &str| format!("{}/{times}x/{what}", subject.name);
        found.figures.push(Figure::of(name("p99"), "× unloaded", &[p99], Some(3.0)));
        found.figures.push(Figure::of(name("few-refused"), "%", &[100.0 - served], None));
        found.figures.push(Figure::of(name("few-p99"), "× alone", &[few], None));
        slowest.push(p99);
        if times >= 1.0 && worst.as_ref().is_none_or(|row| row.ratio > goodput) {
            worst = Some(row(subject.name, capacity, &good));
        }
    }
    found.rows.extend(worst);
    Ok(())
}

/// The goodput at the load at which it was least, beside the capacity.
fn row(name: &str, capacity: f64, good: &[f64]) -> Row {
    let (most, least) = (good.iter().copied().fold(f64::MIN, f64::max), good.iter().copied().fold(f64::MAX, f64::min));
    let ratio = median(good.iter().copied());
    Row {
        name: name.into(),
        ours: capacity * ratio,
        peer: capacity,
        ratio,
        spread: (most - least) / 2.0,
        ours_cpu: 0.0,
        peer_cpu: 0.0,
        ours_syscalls: None,
        peer_syscalls: None,
    }
}

/// Both in front of the same origin that computes without any protection of its own, at five times what it can do.
fn envoy(scratch: &Path, args: &Args, found: &mut Found) -> Result<(), String> {
    let origin = origin("bare-busy")?;
    let ours = proxies::ours(origin.address, "", &scratch.join("ours"))?;
    let peer = proxies::envoy(origin.address, Filter::Adaptive, &scratch.join("envoy"))?;
    let ask = crate::load::ROOT;
    let capacity = capacity(&origin, ask, 4, args)?;
    let at = At { ask, rate: capacity * 5.0, lasting: lasting(args), connections: 1_024, patience: PATIENCE };
    // Envoy measures its minimum round trip first: both have a turn to settle.
    for server in [&ours, &peer] {
        open::load(server.address, at)?;
    }
    let both = rounds(args, |_| Ok((open::load(ours.address, at)?, open::load(peer.address, at)?)))?;
    let good: Vec<f64> = both.iter().map(|(a, b)| a.ok_per_s / b.ok_per_s.max(1.0)).collect();
    let mut row = row("overload/envoy", 1.0, &good);
    row.ours = median(both.iter().map(|(a, _)| a.ok_per_s));
    row.peer = median(both.iter().map(|(_, b)| b.ok_per_s));
    eprintln!("overload/envoy: capacity {capacity:.0}/s, ours {:.0}/s, envoy {:.0}/s", row.ours, row.peer);
    found.rows.push(row);
    let p99 = |pick: fn(&(Load, Load)) -> f64| both.iter().map(pick).collect::<Vec<_>>();
    found.figures.push(Figure::of("overload/envoy/p99-ours", "ms", &p99(|(a, _)| a.p99), None));
    found.figures.push(Figure::of("overload/envoy/p99-peer", "ms", &p99(|(_, b)| b.p99), None));
    Ok(())
}

/// What clients that wait for their answers get done together.
fn capacity(server: &Server, ask: Ask<'_>, clients: usize, args: &Args) -> Result<f64, String> {
    let turns = rounds(args, |_| crate::load::closed(server.address, ask, clients, args.turn))?;
    Ok(median(turns.iter().map(crate::load::Count::rate)))
}

fn lasting(args: &Args) -> Duration {
    args.turn.max(Duration::from_secs(2))
}

fn rounds<T>(args: &Args, mut one: impl FnMut(usize) -> Result<T, String>) -> Result<Vec<T>, String> {
    (0..args.rounds).map(&mut one).collect()
}
