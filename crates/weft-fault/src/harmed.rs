//! What is done to one call that is harmed, in this order: it waits, is refused, loses its instance, comes back spoilt.

use std::{fmt, time::Duration};

use http::{Response, StatusCode};
use weft_traffic::fault::{Harm, Harms};
use weft_types::{Body, Class, Fault, Outcome, Ran, Reply, Retry, code};

use crate::{Kinds, body::Spoilt};

/// The harms of one call.
#[derive(Debug, Clone)]
pub struct Harmed {
    harms: Harms,
    /// From which the bytes are drawn that are changed.
    seed: u64,
}

/// Goes with a failure that would not have been without a fault of ours: its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub kinds: Kinds,
    /// What was asked to be answered. `None`: what the failure's code says.
    pub status: Option<StatusCode>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "injected on purpose: {}", self.kinds)
    }
}

impl std::error::Error for Mark {}

/// What was done on purpose before this failure, if anything was.
pub fn mark(fault: &Fault) -> Option<Mark> {
    fault.source.as_ref()?.downcast_ref().copied()
}

impl Harmed {
    pub(crate) fn new(harms: Harms, seed: u64) -> Self {
        Self { harms, seed }
    }

    pub fn kinds(&self) -> Kinds {
        Kinds::of(&self.harms)
    }

    /// How long the call waits before it goes on.
    pub fn delay(&self) -> Option<Duration> {
        self.harms.iter().find_map(|harm| match harm {
            Harm::Delay(delay) => Some(*delay),
            _ => None,
        })
    }

    /// Waits for as long, and for `most` at most.
    pub async fn wait(&self, most: Duration) {
        if let Some(delay) = self.delay() {
            tokio::time::sleep(delay.min(most)).await;
        }
    }

    /// Why the call does not go on: it is answered instead, or its connection was lost before an answer.
    pub fn refusal(&self) -> Option<Fault> {
        self.harms.iter().find_map(|harm| match harm {
            Harm::Abort(status) => {
                Some(self.fault(Ran::No, Some(*status)).detail(format!("answered {status} instead")))
            }
            Harm::Reset { after: 0 } => {
                let fault = self.fault(Ran::Maybe, None).retry(Retry::Now);
                Some(fault.detail("the connection was lost before the answer"))
            }
            _ => None,
        })
    }

    /// Whether the instance that serves the call is to be ended.
    pub fn kills(&self) -> bool {
        self.harms.contains(&Harm::Kill)
    }

    /// The body as it is handed on.
    pub fn spoil(&self, body: Body) -> Body {
        let spoils = |harm: &Harm| matches!(harm, Harm::Corrupt(_) | Harm::Bandwidth(_) | Harm::Reset { .. });
        if self.harms.iter().any(spoils) {
            Body::new(Spoilt::new(body, &self.harms, self.seed, self.fault(Ran::Yes, None)))
        } else {
            body
        }
    }

    /// The answer as it is handed on, marked.
    pub fn answer(&self, response: Response<Body>) -> Response<Body> {
        let mut response = response.map(|body| self.spoil(body));
        let before = response.extensions().get::<Kinds>().copied().unwrap_or_default();
        response.extensions_mut().insert(before.and(self.kinds()));
        response
    }

    /// A failure of `run`'s, marked where nothing else lies under it.
    pub fn failure(&self, fault: Fault) -> Fault {
        match fault.source {
            None => fault.source(Mark { kinds: self.kinds(), status: None }),
            Some(_) => fault,
        }
    }

    /// Runs a call with all of it. `most`: how long it may wait; `kill` ends what instances are kept.
    pub async fn around(&self, most: Duration, run: impl Future<Output = Outcome>, kill: impl FnOnce()) -> Outcome {
        self.wait(most).await;
        if let Some(fault) = self.refusal() {
            let class = class(&fault);
            return Outcome::failed(fault, class);
        }
        let Outcome { reply, class, end } = run.await;
        if self.kills() {
            // With its answer the guest that gives it is dropped; what it may have done, it has done.
            drop((reply, end));
            kill();
            let fault = self.fault(Ran::Maybe, None).detail("the instance that served it was ended");
            return Outcome::failed(fault, Class::Failure);
        }
        let reply = match reply {
            Ok(Reply::Http(response)) => Ok(Reply::Http(Box::new(self.answer(*response)))),
            Ok(other) => Ok(other),
            Err(fault) => Err(self.failure(fault)),
        };
        Outcome { reply, class, end }
    }

    fn fault(&self, ran: Ran, status: Option<StatusCode>) -> Fault {
        Fault::new(code::FAULT_INJECTED, ran).source(Mark { kinds: self.kinds(), status })
    }
}

/// How a refusal is judged: by the status that stands for it.
pub fn class(fault: &Fault) -> Class {
    match mark(fault).and_then(|mark| mark.status) {
        Some(status) if status.is_client_error() => Class::CallerFault,
        _ => Class::Failure,
    }
}

#[cfg(test)]
mod tests {
    use weft_types::{End, Usage};

    use super::*;

    fn harmed(harms: impl IntoIterator<Item = Harm>) -> Harmed {
        Harmed::new(harms.into_iter().collect(), 1)
    }

    fn fine() -> Outcome {
        let response = Response::new(weft_types::full("fine"));
        Outcome { reply: Ok(Reply::Http(Box::new(response))), class: Class::Ok, end: End::Now(Usage::default()) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_waited_for_and_never_past_what_is_left() {
        let began = tokio::time::Instant::now();
        let delayed = harmed([Harm::Delay(Duration::from_secs(2))]);
        let outcome = delayed.around(Duration::from_secs(9), async { fine() }, || ()).await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));
        let Ok(Reply::Http(response)) = outcome.reply else { panic!("{outcome:?}") };
        assert_eq!(response.extensions().get::<Kinds>().map(Kinds::to_string).as_deref(), Some("delay"));
        delayed.wait(Duration::from_secs(1)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test]
    async fn what_is_aborted_does_not_run_and_says_what_was_done() {
        for (status, class) in [(StatusCode::BAD_GATEWAY, Class::Failure), (StatusCode::NOT_FOUND, Class::CallerFault)]
        {
            let run = async { panic!("it must not run") };
            let outcome = harmed([Harm::Abort(status)]).around(Duration::MAX, run, || ()).await;
            assert_eq!(outcome.class, class);
            let fault = outcome.reply.expect_err("refused");
            assert_eq!((fault.code, fault.ran), (code::FAULT_INJECTED, Ran::No));
            let mark = mark(&fault).expect("marked");
            assert_eq!((mark.status, mark.kinds.to_string().as_str()), (Some(status), "abort"));
        }
    }

    #[tokio::test]
    async fn what_is_killed_ran_and_fails_and_what_is_kept_is_ended() {
        let mut killed = false;
        let outcome = harmed([Harm::Kill]).around(Duration::MAX, async { fine() }, || killed = true).await;
        let fault = outcome.reply.expect_err("failed");
        assert_eq!((fault.code, fault.ran, killed), (code::FAULT_INJECTED, Ran::Maybe, true));
    }
}
