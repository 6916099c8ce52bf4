//! 10,000 routes: what a lookup costs, and what swapping all of them costs those who are being served.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method};
use weft_manifest::{Disk, load_text};
use weft_traffic::{RequestHead, Table};
use weft_types::Digest;

use super::{
    Found,
    open::{self, At, PATIENCE},
    proxies::write,
};
use crate::{
    args::{Args, guest, place},
    figure::Figure,
    load::Ask,
    node,
};

const ROUTES: u32 = 10_000;
const HOSTS: u32 = 100;
/// Requests a second while tables are swapped.
const RATE: f64 = 2_000.0;
/// Between two swaps: a team that deploys once a minute is busy; this is three hundred such teams.
const EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Args, found: &mut Found) -> Result<(), String> {
    eprintln!("routes: {} rounds of {:?} each", args.rounds, args.turn);
    let nanoseconds: Vec<f64> = lookups(args.rounds)?.into_iter().map(|ns| ns / 1e3).collect();
    found.figures.push(Figure::of("routes/match", "µs", &nanoseconds, Some(1.0)));
    swaps(args, found)
}

/// An application of that many routes in three shapes on a hundred hosts, and one on which it is asked.
fn manifest(revision: u32) -> String {
    let mut text = format!(
        "manifest = 1\nname = \"many\"\n\n[component.hello]\nsource = \"hello.wasm\"\nisolation = \"instance\"\n\
         env = {{ REVISION = \"{revision}\" }}\n\n[[route]]\npath = \"/hello\"\ncomponent = \"hello\"\n"
    );
    for i in 1..ROUTES {
        let n = i / HOSTS;
        let path = match i % 3 {
            0 => format!("/api/things/{n}"),
            1 => format!("/users/:id/orders/{n}"),
            _ => format!("/assets/{n}/*"),
        };
        let _ = write!(
            text,
            "\n[[route]]\nhost = \"app{}.example.com\"\npath = \"{path}\"\nredirect = {{ to = \"/\" }}\n",
            i % HOSTS
        );
    }
    text
}

/// Nanoseconds a lookup, the mean over paths all over the table, once a round.
fn lookups(rounds: usize) -> Result<Vec<f64>, String> {
    let application = load_text("weft.toml", &manifest(0), Path::new("/nowhere"), Disk::Skip);
    let application = application.map_err(|report| format!("{report:?}").chars().take(2_000).collect::<String>())?;
    let table = Table::compile(application.lower(Digest([0; 32]))).map_err(|e| format!("{e:?}"))?;
    let asked: Vec<(String, String)> = (1..ROUTES).map(asked).collect();
    let headers = HeaderMap::new();
    let found = |(host, path): &(String, String)| {
        table.find(&RequestHead { host, path, method: &Method::GET, headers: &headers }).is_ok()
    };
    if let Some(missed) = asked.iter().find(|asked| !found(asked)) {
        return Err(format!("no route for {missed:?}"));
    }
    let round = |_| {
        let start = Instant::now();
        for one in &asked {
            black_box(found(black_box(one)));
        }
        start.elapsed().as_nanos() as f64 / asked.len() as f64
    };
    Ok((0..rounds).map(round).collect())
}

/// Host and path of a request for each route, in an order that no cache likes.
fn asked(i: u32) -> (String, String) {
    let i = 1 + (i * 7_919) % (ROUTES - 1);
    let n = i / HOSTS;
    let path = match i % 3 {
        0 => format!("/api/things/{n}"),
        1 => format!("/users/7/orders/{n}"),
        _ => format!("/assets/{n}/css/site.css"),
    };
    (format!("app{}.example.com", i % HOSTS), path)
}

/// The same load with and without swaps between two revisions, in turns. A request that fails, fails the run.
fn swaps(args: &Args, found: &mut Found) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let data = scratch.path().join("data");
    let server = node::serve(&data)?;
    for revision in [1, 2] {
        let folder = scratch.path().join(format!("many-{revision}"));
        write(&folder.join("weft.toml"), &manifest(revision))?;
        fs::copy(guest("hello-p2.wasm")?, folder.join("hello.wasm")).map_err(|e| e.to_string())?;
        node::apply(&data, &folder)?;
    }
    let at = At {
        ask: Ask { path: "/hello", headers: &[] },
        rate: RATE,
        lasting: args.turn.max(Duration::from_secs(2)),
        connections: 64,
        patience: PATIENCE,
    };
    open::load(server.address, at)?.whole()?;
    let (mut calm, mut swapped, mut ratios, mut swaps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let without = open::load(server.address, at)?.whole()?.p99;
        let running = open::start(server.address, at)?;
        let until = Instant::now() + at.lasting;
        let mut took = Vec::new();
        while Instant::now() < until {
            took.push(rollback(&data)?.as_secs_f64() * 1e3);
            thread::sleep(EVERY);
        }
        let with = running.wait()?.whole()?.p99;
        calm.push(without);
        swapped.push(with);
        ratios.push(with / without);
        swaps.push(crate::turns::median(took.into_iter()));
    }
    found.figures.push(Figure::of("routes/swap", "ms", &swaps, None));
    found.figures.push(Figure::of("routes/p99-without-swaps", "ms", &calm, None));
    found.figures.push(Figure::of("routes/p99-with-swaps", "ms", &swapped, None));
    found.figures.push(Figure::of("routes/p99-ratio", "of that without", &ratios, None));
    Ok(())
}

/// Swaps to the other revision, by a process of its own, as people do.
fn rollback(data: &PathBuf) -> Result<Duration, String> {
    let began = Instant::now();
    let mut command = Command::new(place("WEFT_BENCH_WEFT")?);
    let out = command.args(["rollback", "many"]).env("WEFT_DATA", data).output();
    let out = out.map_err(|e| format!("cannot run weft: {e}"))?;
    if !out.status.success() {
        return Err(format!("weft rollback: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    Ok(began.elapsed())
}
