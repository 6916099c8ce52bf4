//! What `wasi:cli`, `wasi:filesystem`, `wasi:clocks` and `wasi:random` show a guest: an environment, folders, clocks and
//! captured output; no arguments, no input, no sockets.

use std::{sync::Arc, time::Duration};

use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtx};
use weft_types::Clock;

use super::{Lent, Stdio, random::Draw};

pub(crate) fn wasi(lent: &Lent, stdio: &Arc<Stdio>) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdio.stdout()).stderr(stdio.stderr());
    builder.wall_clock(HostClock(Arc::clone(&lent.clock))).monotonic_clock(HostClock(Arc::clone(&lent.clock)));
    if let Some(randomness) = &lent.randomness {
        builder.secure_random(Draw(Arc::clone(randomness))).insecure_random(Draw(Arc::clone(randomness)));
        builder.insecure_random_seed(randomness.next());
    }
    for (name, value) in &lent.grants.env {
        builder.env(name, value);
    }
    for (name, secret) in &lent.grants.secret_env {
        builder.env(name, secret.expose());
    }
    for folder in &lent.grants.files {
        let perms = if folder.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        // That it is there was seen when the component was deployed; it may have gone since.
        if let Err(error) = builder.preopened_dir(&folder.from, &folder.to, perms) {
            let (application, component) = (&lent.application, &lent.component);
            tracing::error!(%application, %component, folder = %folder.from.display(), %error, "a granted folder has gone");
        }
    }
    builder.build()
}

/// The host's clock, as both of WASI's: it never goes backwards.
struct HostClock(Arc<dyn Clock>);

impl HostWallClock for HostClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now().as_nanos())
    }
}

impl HostMonotonicClock for HostClock {
    fn resolution(&self) -> u64 {
        1
    }
    fn now(&self) -> u64 {
        self.0.now().as_nanos()
    }
}
