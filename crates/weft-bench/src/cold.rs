//! `bench cold`: the first request to an application whose code is compiled and on disk, and not loaded.

use std::{path::Path, time::Duration};

use crate::{
    args::{Args, place},
    figure::Figure,
    node,
    peers::{self, Kind},
    server::first_byte,
};

const STOP: Duration = Duration::from_secs(30);
/// By language: the component, and what is promised in milliseconds.
const LANGUAGES: &[(&str, Option<f64>)] = &[
    ("hello-p2", Some(3.0)),
    ("hello-p3", Some(3.0)),
    ("hello-rust", Some(3.0)),
    ("hello-c", None),
    ("hello-go", None),
    ("hello-js", None),
    ("hello-python", None),
];

pub(crate) fn run(args: &Args) -> Result<Vec<Figure>, String> {
    let mut figures = vec![ready(args)?];
    eprintln!("weft up is ready in {:.1} ± {:.1} ms", figures[0].value, figures[0].spread);
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let data = scratch.path().join("data");
    let languages = present()?;
    compile_all(&languages, scratch.path(), &data)?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); languages.len()];
    for _ in 0..args.rounds {
        // A new process has loaded nothing; what it serves it finds in its store, compiled code in its cache.
        let node = node::serve(&data)?;
        for (index, (name, _)) in languages.iter().enumerate() {
            times[index].push(milliseconds(first_byte(node.address, &format!("{name}.test"))?));
        }
        node.process.stop(STOP)?;
    }
    for ((name, promised), times) in languages.iter().zip(&times) {
        figures.push(Figure::of(format!("cold/{name}"), "ms", times, *promised));
    }
    Ok(figures)
}

/// `weft up` with compiled code cached, from the start of the process to its URL.
fn ready(args: &Args) -> Result<Figure, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let kind = Kind::Ours { guest: "hello-p2.wasm", isolation: "request" };
    peers::start(kind, scratch.path())?.process.stop(STOP)?;
    let mut times = Vec::new();
    for _ in 0..args.rounds {
        let server = peers::start(kind, scratch.path())?;
        times.push(milliseconds(server.ready));
        server.process.stop(STOP)?;
    }
    Ok(Figure::of("ready/weft-up", "ms", &times, Some(100.0)))
}

fn present() -> Result<Vec<(&'static str, Option<f64>)>, String> {
    let guests = place("WEFT_BENCH_GUESTS")?;
    let found: Vec<_> =
        LANGUAGES.iter().copied().filter(|(name, _)| guests.join(format!("{name}.wasm")).is_file()).collect();
    if found.is_empty() { Err(format!("no hello in {}", guests.display())) } else { Ok(found) }
}

fn compile_all(languages: &[(&str, Option<f64>)], scratch: &Path, data: &Path) -> Result<(), String> {
    let guests = place("WEFT_BENCH_GUESTS")?;
    let node = node::serve(data)?;
    for (name, _) in languages {
        let wasm = std::fs::read(guests.join(format!("{name}.wasm"))).map_err(|e| format!("{name}: {e}"))?;
        let folder = scratch.join(name);
        node::write_application(&folder, name, &wasm)?;
        node::apply(data, &folder)?;
        first_byte(node.address, &format!("{name}.test"))?;
    }
    node.process.stop(STOP).map(drop)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
