//! `wasi:logging`.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, Linker},
};

use super::log::{GuestLine, LogLevel, LogSource};
use crate::guest::{Guest, find_caller};

/// The draft's version, and the name from before it had one.
const NAMES: &[&str] = &["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "made by lifting")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    NAMES.iter().try_for_each(|name| linker.instance(name)?.func_wrap("log", log))
}

fn log(
    mut store: StoreContextMut<'_, Guest>,
    (level, context, message): (Level, String, String),
) -> wasmtime::Result<()> {
    let level = LogLevel::from(level);
    if store.data().lent().log().wants(level) {
        find_caller(&mut store)?;
        let guest = store.data();
        let (log, call) = (guest.lent().log(), guest.call());
        log.log(&GuestLine {
            source: LogSource::Logging,
            level,
            context: &context,
            message: &message,
            invocation: call.map(|call| call.id),
            trace: call.map(|call| &call.trace),
        });
    }
    Ok(())
}
