//! The project's own commands: `cargo xtask COMMAND`. They need nothing but cargo to start.

mod bench;
mod demo;
mod guests;
mod setup;
mod sh;
mod test;
#[cfg(test)]
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  setup                install what tests need and this machine lacks (into .toolchain where possible)
  guests               build the components that tests and examples run, into target/guests
  test [--deep]        set up, build the guests, run every test; --deep adds the long tiers
  demo [--once]        start `weft up examples/orders`, send its requests, leave it serving; --once stops it
  bench http|traffic|cold|idle|store|all [--format json] [--seconds N] [--rounds N] [--only NAME]
                       ours and the peers, taking turns; writes the table of docs/benchmarks.md
  bench ab             this build against another of ours, named by WEFT_BENCH_OTHER
  tidy                 hold the floors: who may depend on whom, a page for every error code, plain sources

Example: cargo xtask bench http --seconds 3
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["setup"] => setup::run(setup::For::Tests),
        ["guests"] => guests::run(),
        ["test"] => test::run(false),
        ["test", "--deep"] => test::run(true),
        ["demo"] => demo::run(false),
        ["demo", "--once"] => demo::run(true),
        ["bench", rest @ ..] if !rest.is_empty() => bench::run(rest),
        ["tidy"] => sh::run(sh::cargo().args(["test", "--quiet", "-p", "xtask", "tidy"])),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
