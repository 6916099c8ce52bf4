//! Builds what is measured and hands over to `weft-bench`.

use crate::{
    guests,
    setup::{self, For},
    sh::{Done, cargo, program, root, run as sh, target},
};

pub(crate) fn run(args: &[&str]) -> Done {
    setup::run(For::Benchmarks)?;
    guests::run()?;
    sh(cargo().args(["build", "--release", "-p", "weft", "-p", "weft-bench"]))?;
    let engines = target().join("engines");
    if ["store", "all"].contains(&args[0]) {
        // A workspace of its own, with engines that nothing else of ours needs.
        let manifest = root().join("bench/engines/Cargo.toml");
        sh(cargo().args(["build", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&engines))?;
    }
    let release = target().join("release");
    let mut command = program(release.join("weft-bench"), args);
    command
        .env("WEFT_BENCH_WEFT", release.join("weft"))
        .env("WEFT_BENCH_WASMTIME", setup::wasmtime()?)
        .env("WEFT_BENCH_ENVOY", setup::envoy()?)
        .env("WEFT_BENCH_WORKERD", setup::workerd()?)
        .env("WEFT_BENCH_GUESTS", root().join("target/guests"))
        .env("WEFT_BENCH_EXAMPLES", root().join("examples"))
        .env("WEFT_BENCH_ENGINES", engines.join("release/engines"))
        .env("WEFT_BENCH_TABLE", root().join("docs/benchmarks.md"));
    sh(&mut command)
}
