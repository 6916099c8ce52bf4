//! The `weft` command: arguments in, a command run, an exit code out.

mod applications;
mod args;
mod builds;
mod client;
mod commands;
mod failure;
mod globs;
mod output;
mod settings;
mod signals;
mod watch;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    match commands::run(arguments.command, arguments.format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(arguments.format),
    }
}
