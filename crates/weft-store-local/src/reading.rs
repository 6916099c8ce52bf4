//! The threads that read from disk: a few for all shards, so that no reader waits on a thread that serves.
//!
//! ```text
//! caller ──▶ a place in line, waited for ──▶ queue ──▶ up to 8 threads, begun when needed ──▶ answer
//! ```

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::{Semaphore, oneshot};
use weft_store::StoreError;

use crate::fail;

/// Threads at most: enough to keep a disk busy, few enough to leave the cores to those who serve.
pub(crate) const THREADS_MAX: usize = 8;
/// Reads handed over and not done; further callers wait for a place, in their order.
const WAITING_MAX: usize = 1_024;

type Job = Box<dyn FnOnce() + Send>;

/// Dropped, it finishes what was handed over.
#[derive(Debug)]
pub(crate) struct Reading {
    line: Arc<Line>,
    places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Line {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        write!(f, "Line({} waiting, {} idle)", state.jobs.len(), state.idle)
    }
}

impl Reading {
    pub(crate) fn new() -> Self {
        let places = Arc::new(Semaphore::new(WAITING_MAX));
        Self { line: Arc::default(), places, threads: Mutex::default() }
    }

    /// Runs `read` on a thread of its own kind. A caller that leaves gives up the answer, not the place.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| fail::gone())?;
        let (reply, answer) = oneshot::channel();
        self.hand_over(Box::new(move || {
            let read = read();
            drop(place);
            // A caller that has left does not want to know.
            let _ = reply.send(read);
        }))?;
        answer.await.unwrap_or_else(|_| Err(fail::unread()))
    }

    fn hand_over(&self, job: Job) -> Result<(), StoreError> {
        let needed = {
            let mut state = self.line.lock();
            state.jobs.push_back(job);
            state.idle < state.jobs.len()
        };
        self.line.more.notify_one();
        if needed { self.start_one() } else { Ok(()) }
    }

    /// One more thread, unless there are enough. `Err` where there is none at all.
    fn start_one(&self) -> Result<(), StoreError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if threads.len() >= THREADS_MAX {
            return Ok(());
        }
        let line = Arc::clone(&self.line);
        match thread::Builder::new().name("store-read".to_owned()).spawn(move || line.serve()) {
            Ok(thread) => threads.push(thread),
            Err(error) if threads.is_empty() => {
                self.line.lock().jobs.clear();
                return Err(fail::starting(error));
            }
            // Those that run will come to it.
            Err(_) => {}
        }
        Ok(())
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        while let Some(job) = self.next() {
            // Its caller is told by the answer that never comes; the thread goes on for the others.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.line.lock().closed = true;
        self.line.more.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // What panicked there was caught.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    fn name() -> Result<Option<String>, StoreError> {
        Ok(thread::current().name().map(str::to_owned))
    }

    #[tokio::test]
    async fn reads_run_on_threads_of_their_own_and_never_on_more_than_a_few() {
        let reading = Arc::new(Reading::new());
        assert_eq!(reading.run(name).await.expect("read").as_deref(), Some("store-read"));
        // All threads are held here until the last of them has come; one more job could not begin.
        let (barrier, (told, began)) = (Arc::new(Barrier::new(THREADS_MAX + 1)), mpsc::channel());
        let jobs: Vec<_> = (0..3 * THREADS_MAX)
            .map(|number| {
                let (barrier, told, reading) = (Arc::clone(&barrier), told.clone(), Arc::clone(&reading));
                tokio::spawn(async move {
                    let job = move || {
                        let _ = told.send(number);
                        barrier.wait();
                        Ok(())
                    };
                    reading.run(job).await
                })
            })
            .collect();
        let held = tokio::task::spawn_blocking(move || {
            for _ in 0..3 {
                let inside: Vec<_> = (0..THREADS_MAX).map(|_| began.recv().expect("begins")).collect();
                assert_eq!(inside.len(), THREADS_MAX);
                assert!(began.try_recv().is_err(), "one more than there may be");
                barrier.wait();
            }
        });
        held.await.expect("no panic");
        for job in jobs {
            job.await.expect("no panic").expect("read");
        }
    }

    #[tokio::test]
    async fn a_read_that_panics_is_an_error_of_its_caller_alone() {
        let reading = Reading::new();
        let panics = reading.run(|| -> Result<(), StoreError> { panic!("a bug") }).await;
        assert!(matches!(panics, Err(StoreError::Unavailable { .. })), "{panics:?}");
        assert!(reading.run(name).await.is_ok());
    }
}
