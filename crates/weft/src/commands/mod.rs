//! The commands, one file each.

pub(crate) mod up;

use crate::{
    args::{Command, Format},
    failure::Failure,
};

pub(crate) fn run(command: Command, _format: Format) -> Result<(), Failure> {
    match command {
        Command::Up(up) => up.run(),
    }
}

/// Runs a command that waits for things.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(weft_types::code::INTERNAL, "weft", format!("the runtime does not start: {error}"))
    })?;
    runtime.block_on(work)
}
