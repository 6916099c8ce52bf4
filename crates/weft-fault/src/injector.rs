//! The faults that are in force on a node, and whether a call meets one.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::HeaderMap;
use parking_lot::Mutex;
use weft_traffic::fault::{Call, Faults, Harm, Injection, InjectionError, Standing, To};
use weft_types::{Clock, Name, Randomness, Timestamp};

use crate::{Harmed, Kinds};

/// Series that are counted apart; what comes later shares `_others`.
const SERIES_MAX: usize = 256;

/// Shared by every step that can be harmed. Nothing in it outlives the process.
pub struct Injector {
    armed: AtomicBool,
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// By application, step and kind.
    counts: BTreeMap<(String, String, &'static str), u64>,
}

/// How often a kind of harm was done at a step, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    pub application: String,
    /// `component api`, `route /orders/*`, `upstream legacy`, `service store`.
    pub at: String,
    pub harm: &'static str,
    pub count: u64,
}

impl Injector {
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Randomness>) -> Arc<Self> {
        let (armed, state) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { armed, state, clock, random })
    }

    /// Whether anything may be harmed. Where not, this is all that a call pays.
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.armed.load(Relaxed)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts one in force; its id.
    pub fn add(&self, injection: Injection) -> Result<u64, InjectionError> {
        let told = told(&injection);
        let mut state = self.state.lock();
        self.expire(&mut state);
        let id = state.faults.add(injection)?;
        self.armed.store(true, Relaxed);
        tracing::warn!(fault = id, what = told, "a fault is put in on purpose");
        Ok(id)
    }

    /// Takes one out before its end.
    pub fn remove(&self, id: u64) -> Option<Standing> {
        let mut state = self.state.lock();
        let gone = state.faults.remove(id)?;
        self.armed.store(!state.faults.is_empty(), Relaxed);
        tracing::warn!(fault = id, what = told(&gone.injection), harmed = gone.harmed, "a fault is taken out");
        Some(gone)
    }

    /// Those in force, and those that are yet to begin.
    pub fn standing(&self) -> Vec<Standing> {
        let mut state = self.state.lock();
        self.expire(&mut state);
        state.faults.standing().to_vec()
    }

    pub fn injected(&self) -> Vec<Injected> {
        let state = self.state.lock();
        let each = state.counts.iter().map(|((application, at, harm), count)| Injected {
            application: application.clone(),
            at: at.clone(),
            harm,
            count: *count,
        });
        each.collect()
    }

    /// What is done to this call, if anything. To be asked only while [`Self::is_armed`].
    #[cold]
    pub fn meet(&self, application: &Name, to: To<'_>, headers: &HeaderMap) -> Option<Harmed> {
        let (now, random) = (self.clock.now(), self.random.next());
        let mut state = self.state.lock();
        let harms = state.faults.decide(now, &Call { application, to, headers }, random as u64);
        if harms.is_empty() {
            self.expire(&mut state);
            return None;
        }
        for harm in &harms {
            state.count(application, to, harm);
        }
        drop(state);
        tracing::debug!(%application, at = at(to), kinds = %Kinds::of(&harms), "a call is harmed on purpose");
        Some(Harmed::new(harms, (random >> 64) as u64))
    }

    fn expire(&self, state: &mut State) {
        for gone in state.faults.expire(self.clock.now()) {
            tracing::warn!(fault = gone.id, what = told(&gone.injection), harmed = gone.harmed, "a fault has ended");
        }
        self.armed.store(!state.faults.is_empty(), Relaxed);
    }
}

impl State {
    fn count(&mut self, application: &Name, to: To<'_>, harm: &Harm) {
        let mut key = (application.to_string(), at(to), harm.as_str());
        if self.counts.len() >= SERIES_MAX && !self.counts.contains_key(&key) {
            key = ("_others".to_owned(), String::new(), harm.as_str());
        }
        *self.counts.entry(key).or_default() += 1;
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injector")
    }
}

fn at(to: To<'_>) -> String {
    match to {
        To::Route(path) => format!("route {path}"),
        To::Component(name) => format!("component {name}"),
        To::Upstream(name) => format!("upstream {name}"),
        To::Service(name) => format!("service {name}"),
    }
}

fn told(injection: &Injection) -> String {
    format!("{} of {} at {}", injection.harm.as_str(), injection.share, injection.scope)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use weft_traffic::{
        Ratio,
        fault::{Scope, Window},
    };
    use weft_types::ManualClock;

    use super::*;

    struct Fixed;
    impl Randomness for Fixed {
        fn next(&self) -> u128 {
            7
        }
    }

    #[test]
    fn it_disarms_itself_when_the_last_fault_has_ended() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
        let injector = Injector::new(Arc::clone(&clock) as _, Arc::new(Fixed));
        let shop = Name::new("shop").expect("a name");
        let (now, none) = (clock.now(), HeaderMap::new());
        assert!(!injector.is_armed());
        let injection = Injection {
            harm: Harm::Abort(StatusCode::BAD_GATEWAY),
            scope: Scope::Upstream { application: shop.clone(), upstream: "legacy".into() },
            share: Ratio::ALL,
            header: None,
            window: Window { from: now, until: now.saturating_add(Duration::from_secs(5)), pulse: None },
            calls_max: u64::MAX,
        };
        injector.add(injection).expect("good");
        assert!(injector.is_armed());
        assert!(injector.meet(&shop, To::Upstream("legacy"), &none).is_some());
        assert!(injector.meet(&shop, To::Upstream("other"), &none).is_none());
        assert!(injector.is_armed());
        clock.advance(Duration::from_secs(5));
        assert!(injector.meet(&shop, To::Upstream("legacy"), &none).is_none());
        assert!(!injector.is_armed() && injector.standing().is_empty());
        let counted = injector.injected();
        assert_eq!((counted[0].at.as_str(), counted[0].harm, counted[0].count), ("upstream legacy", "abort", 1));
    }
}
