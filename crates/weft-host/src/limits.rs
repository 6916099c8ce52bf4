//! Limits that a guest meets while it runs: memory by its limiter, time by the epoch.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

use crate::{
    away::LONG,
    call::Call,
    guest::{Guest, find_caller},
};

/// Why we stopped a guest. Carried as the trap's error, so that the verdict is read and not guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the call used its CPU limit")]
    Cpu,
    #[error("the deadline passed")]
    Deadline,
}

/// The memory of one instance: all linear memories together, and the elements of its tables.
pub(crate) struct Memory {
    limit: u64,
    used: u64,
    /// The last growth allowed: taken back when the engine cannot give it.
    last: u64,
    /// Set when growth was refused: the trap that follows is then the limit's doing.
    pub(crate) refused: bool,
    pub(crate) call: Option<Arc<Call>>,
}

/// Elements of one table. A table of function references grows only by dynamic linking; this is far above any.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 100_000;

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, last: 0, refused: false, call: None }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = (desired - current) as u64;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the guest's own bound, not ours
        }
        if self.used + more > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used += more;
        self.last = more;
        if let Some(call) = &self.call {
            call.memory_is(self.used);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.used -= std::mem::take(&mut self.last);
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

/// What happens at each tick while a guest runs: stop it where a limit is reached, else let others run.
pub(crate) fn on_tick(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    find_caller(&mut store)?;
    let guest = store.data();
    guest.lent().computing.computes();
    let Some(call) = guest.call() else { return Ok(UpdateDeadline::Yield(1)) };
    let now = call.clock.now();
    // Its event loop may not have been reached since it was opened.
    let worker = guest.worker().or_else(|| call.worker());
    if let Some(worker) = worker {
        worker.charge(call, now);
        worker.set_busy(true);
    }
    let cpu = call.cpu(now);
    if cpu > call.cpu_budget {
        return Err(Stop::Cpu.into());
    }
    // Where others may be inside, an overdue call is given up by whoever waits for it, and takes nobody with it.
    if worker.is_none() && now > call.deadline && call.head_is_open() {
        return Err(Stop::Deadline.into());
    }
    if cpu > LONG {
        call.computes_for_long();
        if let Some(worker) = worker {
            worker.computes_for_long();
        }
    }
    Ok(UpdateDeadline::Yield(1))
}
