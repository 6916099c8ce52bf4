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
    let release = target().join("release");
    let mut command = program(release.join("weft-bench"), args);
    command
        .env("WEFT_BENCH_WEFT", release.join("weft"))
        .env("WEFT_BENCH_WASMTIME", setup::wasmtime()?)
        .env("WEFT_BENCH_WORKERD", setup::workerd()?)
        .env("WEFT_BENCH_GUESTS", root().join("target/guests"))
        .env("WEFT_BENCH_EXAMPLES", root().join("examples"))
        .env("WEFT_BENCH_TABLE", root().join("docs/benchmarks.md"));
    sh(&mut command)
}
