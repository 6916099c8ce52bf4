//! Loading many components at once: as many threads as cores, since compiling is all work and no waiting.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use weft_host::{Component, ComponentSpec, Host, LoadError};

type Loaded = Result<Arc<Component>, LoadError>;

/// One answer for each spec, in their order.
pub(crate) async fn all(host: Host, specs: Vec<ComponentSpec>) -> Vec<Loaded> {
    if specs.is_empty() {
        return Vec::new();
    }
    tokio::task::spawn_blocking(move || side_by_side(&host, specs)).await.expect("loading does not panic")
}

fn side_by_side(host: &Host, specs: Vec<ComponentSpec>) -> Vec<Loaded> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(specs.len());
    let answers: Vec<Mutex<Option<Loaded>>> = specs.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(spec) = specs.get(at) else { break };
            *answers[at].lock() = Some(host.load(spec.clone()));
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    answers.into_iter().map(|answer| answer.into_inner().expect("every spec was taken once")).collect()
}
