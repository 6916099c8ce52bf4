//! Loading many components at once: as many threads as cores, since compiling is all work and no waiting.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use weft_host::{Component, ComponentSpec, Host, LoadError};

type Loaded = Result<Arc<Component>, LoadError>;

/// One answer for each spec, in their order. A load that panics is that component's failure and nobody else's.
pub(crate) async fn all(host: Host, specs: Vec<ComponentSpec>) -> Vec<Loaded> {
    let wanted = specs.len();
    if wanted == 0 {
        return Vec::new();
    }
    let loaded = tokio::task::spawn_blocking(move || side_by_side(specs, |spec| host.load(spec))).await;
    loaded.unwrap_or_else(|error| (0..wanted).map(|_| Err(LoadError::Ended(error.to_string()))).collect())
}

fn side_by_side<S: Clone + Sync, T: Send>(
    specs: Vec<S>,
    load: impl Fn(S) -> Result<T, LoadError> + Sync,
) -> Vec<Result<T, LoadError>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(specs.len());
    let answers: Vec<Mutex<Option<Result<T, LoadError>>>> = specs.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(spec) = specs.get(at) else { break };
            // Nothing is shared with a load but the host, whose own state no panic leaves half changed.
            let loaded = catch_unwind(AssertUnwindSafe(|| load(spec.clone())));
            *answers[at].lock() = Some(loaded.unwrap_or_else(|panic| Err(LoadError::Ended(said(&*panic)))));
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let missing = || Err(LoadError::Ended("it was not loaded".to_owned()));
    answers.into_iter().map(|answer| answer.into_inner().unwrap_or_else(missing)).collect()
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_panics_fails_alone() {
        let load = |number: u32| match number {
            3 => panic!("no {number}"),
            4 => Err(LoadError::NotWasm),
            number => Ok(number * 10),
        };
        let loaded = side_by_side(vec![1, 2, 3, 4, 5], load);
        let told: Vec<String> = loaded.iter().map(|one| format!("{one:?}")).collect();
        assert_eq!(told, ["Ok(10)", "Ok(20)", "Err(Ended(\"panic: no 3\"))", "Err(NotWasm)", "Ok(50)"]);
    }
}
