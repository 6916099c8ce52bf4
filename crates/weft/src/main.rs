//! The `weft` command: arguments in, a command run, an exit code out.

mod applications;
mod args;
mod commands;
mod failure;
mod settings;
mod signals;

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
