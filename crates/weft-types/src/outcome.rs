//! How an invocation ends: the Head, which is the decision, and the End, which is the last byte.
//!
//! Retry, hedge and commit are decided before the Head. Permits, the breaker's record, metering and the span
//! last until the End.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{Body, Fault, Values};

/// The Head, how it is judged, and where the End will come from.
#[derive(Debug)]
pub struct Outcome {
    pub reply: Result<Reply, Fault>,
    pub class: Class,
    pub end: End,
}

impl Outcome {
    /// A failure before any code ran: Head and End at once.
    pub fn failed(fault: Fault, class: Class) -> Self {
        Self { reply: Err(fault), class, end: End::Now(Usage::default()) }
    }
}

/// What the code answered.
pub enum Reply {
    Http(Box<http::Response<Body>>),
    Values(Box<dyn Values>),
    Settled(Vec<Settlement>),
    Bytes(Bytes),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(response) => write!(f, "Http({})", response.status()),
            Self::Values(_) => f.write_str("Values(..)"),
            Self::Settled(all) => write!(f, "Settled({all:?})"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

/// What becomes of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Ack,
    /// Deliver again, not before this delay has passed.
    Retry {
        after: Duration,
    },
    DeadLetter {
        reason: String,
    },
}

/// Judged once, by the face that knows the protocol; every policy reads only this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Ok,
    CallerFault,
    Failure,
    /// Refused before it ran, to protect something.
    Shed,
}

/// What a call used, metered by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Time spent running guest code and host functions on its behalf.
    pub cpu: Duration,
    /// Largest linear memory of the instance so far, in bytes.
    pub memory_peak: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// When the last byte has left: now, or when the body says so.
pub enum End {
    Now(Usage),
    Later(Later),
}

/// The receiving half of a late End: exactly one reaction can be hung on it.
pub struct Later(Arc<Mutex<State>>);

/// The sending half of a late End. Dropped unsaid, it ends the invocation with the usage so far unknown.
pub struct Ender(Option<Arc<Mutex<State>>>);

type Reaction = Box<dyn FnOnce(Option<Fault>, Usage) + Send>;

enum State {
    Waiting(Option<Reaction>),
    Ended(Option<(Option<Fault>, Usage)>),
}

impl End {
    /// Both halves of a late End.
    pub fn later() -> (Ender, Self) {
        let state = Arc::new(Mutex::new(State::Waiting(None)));
        (Ender(Some(Arc::clone(&state))), Self::Later(Later(state)))
    }

    /// Runs `reaction` at the End: at once if it has come, else on whichever task says it.
    ///
    /// A callback and not a future, because nobody should need a task of their own to notice an end.
    pub fn then(self, reaction: impl FnOnce(Option<Fault>, Usage) + Send + 'static) {
        match self {
            Self::Now(usage) => reaction(None, usage),
            Self::Later(Later(state)) => {
                let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *guard {
                    State::Waiting(slot) => *slot = Some(Box::new(reaction)),
                    State::Ended(ended) => {
                        let (fault, usage) = ended.take().unwrap_or_default();
                        drop(guard);
                        reaction(fault, usage);
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now(usage) => write!(f, "Now({usage:?})"),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl Ender {
    pub fn end(mut self, fault: Option<Fault>, usage: Usage) {
        self.say(fault, usage);
    }

    fn say(&mut self, fault: Option<Fault>, usage: Usage) {
        let Some(state) = self.0.take() else { return };
        let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *guard, State::Ended(None));
        match before {
            State::Waiting(Some(reaction)) => {
                drop(guard);
                reaction(fault, usage);
            }
            State::Waiting(None) => *guard = State::Ended(Some((fault, usage))),
            State::Ended(_) => {}
        }
    }
}

impl Drop for Ender {
    fn drop(&mut self) {
        self.say(None, Usage::default());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn usage(bytes_out: u64) -> Usage {
        Usage { bytes_out, ..Usage::default() }
    }

    #[test]
    fn the_end_is_heard_once_whichever_half_comes_first() {
        let (tell, heard) = mpsc::channel();
        let (ender, end) = End::later();
        let early = tell.clone();
        end.then(move |fault, usage| early.send((fault.is_some(), usage)).unwrap());
        ender.end(None, usage(7));
        assert_eq!(heard.recv(), Ok((false, usage(7))));

        let (ender, end) = End::later();
        ender.end(None, usage(9));
        let late = tell.clone();
        end.then(move |fault, usage| late.send((fault.is_some(), usage)).unwrap());
        assert_eq!(heard.recv(), Ok((false, usage(9))));
        drop(tell);
        assert!(heard.recv().is_err());
    }

    #[test]
    fn a_forgotten_ender_still_ends() {
        let (tell, heard) = mpsc::channel();
        let (ender, end) = End::later();
        end.then(move |_, _| tell.send(()).unwrap());
        drop(ender);
        assert_eq!(heard.recv(), Ok(()));
    }
}
