//! The breaker before a component: what fails is not called for a while, then asked with one call.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use weft_traffic::breaker::{Breaker, Options, Pass, View};
use weft_types::{Class, Clock, Fault, Ran, Randomness, Retry, Timestamp, code};

/// Shared by all calls of one component, whichever revision they meet.
pub struct Guard {
    breaker: Mutex<Breaker>,
    options: Options,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
}

/// A call that was let through. Dropped unjudged, it says nothing of the component.
pub(crate) struct Passing {
    guard: Arc<Guard>,
    pass: Option<Pass>,
    judged: Option<Class>,
}

impl Guard {
    pub fn new(options: Options, clock: Arc<dyn Clock>, random: Arc<dyn Randomness>) -> Arc<Self> {
        Arc::new(Self { breaker: Mutex::new(Breaker::new(options)), options, clock, random })
    }

    pub fn options(&self) -> Options {
        self.options
    }

    /// As it stands, and now.
    pub fn view(&self) -> (View, Timestamp) {
        let now = self.clock.now();
        (self.breaker.lock().view(now), now)
    }

    /// `Err` is `breaker-open`; nothing ran.
    pub(crate) fn enter(self: &Arc<Self>, now: Timestamp) -> Result<Passing, Fault> {
        match self.breaker.lock().enter(now) {
            Ok(pass) => Ok(Passing { guard: Arc::clone(self), pass: Some(pass), judged: None }),
            Err(refused) => {
                // A probe is under way: a second is a fair guess of when more is known.
                let wait = if refused.retry_after.is_zero() { Duration::from_secs(1) } else { refused.retry_after };
                Err(Fault::new(code::BREAKER_OPEN, Ran::No).retry(Retry::After(wait)))
            }
        }
    }
}

impl Passing {
    /// The Head is decided. The one call has found out what it was sent for; any other counts at its End.
    pub(crate) fn head(&mut self, class: Class) {
        self.judged = Some(class);
        if self.pass.is_some_and(Pass::is_probe) {
            self.settle();
        }
    }

    /// What the End says besides. `None`: the client left, which says nothing.
    pub(crate) fn end(&mut self, class: Option<Class>) {
        self.judged = class;
    }

    fn settle(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        let now = self.guard.clock.now();
        let mut breaker = self.guard.breaker.lock();
        match self.judged {
            Some(class) => breaker.record(now, pass, class, self.guard.random.next() as u64),
            None => breaker.cancel(now, pass),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use weft_types::ManualClock;

    use super::*;

    struct Fixed;
    impl Randomness for Fixed {
        fn next(&self) -> u128 {
            7
        }
    }

    fn guard() -> (Arc<Guard>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_nanos(1_000_000_000_000)));
        (Guard::new(Options::default(), Arc::clone(&clock) as _, Arc::new(Fixed)), clock)
    }

    fn call(guard: &Arc<Guard>, clock: &ManualClock, class: Class) -> bool {
        guard.enter(clock.now()).map(|mut passing| passing.head(class)).is_ok()
    }

    #[test]
    fn failures_open_it_and_one_good_call_closes_it() {
        let (guard, clock) = guard();
        for _ in 0..7 {
            assert!(call(&guard, &clock, Class::Failure));
        }
        let refused = guard.enter(clock.now()).map(drop).expect_err("open");
        assert_eq!((refused.code, refused.ran), (code::BREAKER_OPEN, Ran::No));
        assert!(matches!(refused.retry, Retry::After(_)));
        clock.advance(Duration::from_secs(2));
        let mut probe = guard.enter(clock.now()).unwrap_or_else(|fault| panic!("one is let through: {fault}"));
        assert!(!call(&guard, &clock, Class::Ok), "and no other");
        probe.head(Class::Ok);
        assert!(call(&guard, &clock, Class::Ok), "before the end of the one call");
        assert_eq!(guard.view().0.state.as_str(), "closed");
    }

    #[test]
    fn who_leaves_or_is_refused_further_on_says_nothing() {
        let (guard, clock) = guard();
        for _ in 0..20 {
            drop(guard.enter(clock.now()));
            let mut passing = guard.enter(clock.now()).unwrap_or_else(|fault| panic!("{fault}"));
            passing.head(Class::Failure);
            passing.end(None);
        }
        assert_eq!((guard.view().0.state.as_str(), guard.view().0.counts.total()), ("closed", 0));
    }
}
