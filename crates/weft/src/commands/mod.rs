//! The commands, one file each.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod chaos;
pub(crate) mod check;
pub(crate) mod componentize;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod fault;
pub(crate) mod key;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod remove;
mod request;
pub(crate) mod rollback;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod top;
pub(crate) mod up;
mod upstreams;

use weft_types::code;

use crate::{
    args::{Command, Format},
    failure::Failure,
};

pub(crate) fn run(command: Command, format: Format) -> Result<(), Failure> {
    match command {
        Command::New(new) => new.run(format),
        Command::Build(build) => build.run(format),
        Command::Check(check) => check.run(format),
        Command::Up(up) => up.run(),
        Command::Explain(explain) => explain.run(format),
        Command::Chaos(chaos) => chaos.run(format),
        Command::Export(export) => export.run(format),
        Command::Fault(fault) => fault.run(format),
        Command::Key(key) => key.run(format),
        Command::Audit(audit) => audit.run(format),
        Command::Serve(serve) => serve.run(),
        Command::Apply(apply) => apply.run(format),
        Command::Logs(logs) => logs.run(format),
        Command::Status(status) => status.run(format),
        Command::Load(load) => load.run(format),
        Command::Top(top) => top.run(format),
        Command::Rollback(rollback) => rollback.run(format),
        Command::Remove(remove) => remove.run(format),
        Command::Secrets(secrets) => secrets.run(format),
        Command::Componentize(componentize) => componentize.run(),
    }
}

/// Runs a command that waits for things.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::new(code::INTERNAL, "weft", format!("the runtime does not start: {error}")))?;
    let done = runtime.block_on(work);
    // A second signal does not wait for a build, or for a guest that spins.
    runtime.shutdown_background();
    done
}
