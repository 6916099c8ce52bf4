//! `bench http`: the rows that Weft promises.

use crate::{
    args::{Args, place},
    figure::Figure,
    peers::{Kind, start},
    syscalls,
    turns::{By, Row, compare},
};

const P2: &str = "hello-p2.wasm";
const P3: &str = "hello-p3.wasm";
const JS: &str = "hello-js.wasm";

/// Each row: name, ours, and what it is measured against.
const ROWS: &[(&str, Kind, Kind)] = &[
    (
        "fresh/wasmtime-serve",
        Kind::Ours { guest: P2, isolation: "request" },
        Kind::Wasmtime { guest: P2, tuned: false, reuse: false },
    ),
    (
        "fresh/wasmtime-serve-tuned",
        Kind::Ours { guest: P2, isolation: "request" },
        Kind::Wasmtime { guest: P2, tuned: true, reuse: false },
    ),
    (
        "reuse/wasmtime-serve-reuse-0.2",
        Kind::Ours { guest: P2, isolation: "instance" },
        Kind::Wasmtime { guest: P2, tuned: true, reuse: true },
    ),
    (
        "reuse/wasmtime-serve-reuse-0.3",
        Kind::Ours { guest: P3, isolation: "instance" },
        Kind::Wasmtime { guest: P3, tuned: true, reuse: true },
    ),
    ("reuse/hyper", Kind::Ours { guest: P2, isolation: "instance" }, Kind::Hyper),
    ("js/workerd", Kind::Ours { guest: JS, isolation: "instance" }, Kind::Workerd),
];
/// `bench ab`: this build against another one of ours, named by `WEFT_BENCH_OTHER`. For tuning.
const AB: &[(&str, Kind, Kind)] = &[
    ("ab/fresh-0.2", Kind::Ours { guest: P2, isolation: "request" }, Kind::Other { guest: P2, isolation: "request" }),
    ("ab/reuse-0.2", Kind::Ours { guest: P2, isolation: "instance" }, Kind::Other { guest: P2, isolation: "instance" }),
    ("ab/reuse-0.3", Kind::Ours { guest: P3, isolation: "instance" }, Kind::Other { guest: P3, isolation: "instance" }),
    ("ab/js", Kind::Ours { guest: JS, isolation: "instance" }, Kind::Other { guest: JS, isolation: "instance" }),
];
/// Where a promise is measured in two ways, the lower ratio is the promise's.
const STRICTER: (&str, &str) = ("reuse/wasmtime-serve-reuse", "reuse/wasmtime-serve-reuse-");

/// What our policies and telemetry cost: our CPU a request beyond that of `wasmtime serve`, which has neither, on the same
/// component, engine and reuse. It includes whatever else we do differently, so it is a bound from above.
pub(crate) fn policy(rows: &[Row]) -> Option<Figure> {
    let row = rows.iter().find(|row| row.name == "reuse/wasmtime-serve-reuse-0.2")?;
    Some(Figure::of("cpu/policy-and-telemetry", "µs", &[row.ours_cpu - row.peer_cpu], Some(5.0)))
}

/// The release binary in megabytes.
pub(crate) fn size() -> Result<Figure, String> {
    let binary = place("WEFT_BENCH_WEFT")?;
    let bytes = std::fs::metadata(&binary).map_err(|e| format!("{}: {e}", binary.display()))?.len();
    Ok(Figure::of("size/weft", "MB", &[bytes as f64 / 1e6], Some(60.0)))
}

/// The rows that could be measured, and why others could not.
pub(crate) fn run(args: &Args) -> (Vec<Row>, Vec<String>) {
    let (mut rows, failed) = all(ROWS, args);
    let (name, prefix) = STRICTER;
    let stricter = rows.iter().filter(|row| row.name.starts_with(prefix)).min_by(|a, b| a.ratio.total_cmp(&b.ratio));
    if let Some(stricter) = stricter.cloned() {
        rows.push(Row { name: name.into(), ..stricter });
    }
    (rows, failed)
}

pub(crate) fn ab(args: &Args) -> (Vec<Row>, Vec<String>) {
    all(AB, args)
}

fn all(wanted: &[(&str, Kind, Kind)], args: &Args) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, ours, peer) in wanted.iter().filter(|(name, ..)| args.wants(name)) {
        match measure(name, *ours, *peer, args) {
            Ok(row) => rows.push(row),
            Err(reason) => failed.push(format!("{name}: {reason}")),
        }
    }
    (rows, failed)
}

fn measure(name: &str, ours: Kind, peer: Kind, args: &Args) -> Result<Row, String> {
    eprintln!("{name}: {} rounds of {:?} each", args.rounds, args.turn);
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (ours, peer) = (start(ours, scratch.path())?, start(peer, scratch.path())?);
    let mut row = compare((name, By::Rate), &ours, &peer, args.rounds, args.turn)?;
    if args.syscalls {
        row.ours_syscalls = syscalls::a_request(&ours);
        row.peer_syscalls = syscalls::a_request(&peer);
    }
    let Row { ratio, spread, ours: us, peer: them, ours_cpu, peer_cpu, .. } = row;
    eprintln!("  ratio {ratio:.2} ± {spread:.2}: ours {us:.0}/s, {} {them:.0}/s", peer.name);
    eprintln!("  CPU a request: ours {ours_cpu:.1} µs, {} {peer_cpu:.1} µs", peer.name);
    Ok(row)
}
