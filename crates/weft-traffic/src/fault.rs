//! Fault injection: which calls are harmed on purpose, how, and that it ends by itself.
//!
//! ```text
//! in its window? ─ within its scope? ─ matches its header? ─ enough harmed already? ─ drawn? ─► harm
//! ```
//!
//! Every injection is bounded in time, scope and number when it is made; nothing has to happen for it to stop.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};
use smallvec::SmallVec;
use weft_types::{Name, Timestamp};

use crate::{HeaderMatch, Ratio, chance, split};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It waits before it is sent on.
    Delay(Duration),
    /// It is answered with this status and not sent on.
    Abort(StatusCode),
    /// This share of the response body's bytes is changed.
    Corrupt(Ratio),
    /// The response body comes at most this fast: bytes a second.
    Bandwidth(u64),
    /// The connection is reset after so many bytes of the response.
    Reset { after: u64 },
    /// The instance that serves it is killed.
    Kill,
}

impl Harm {
    /// The longest delay.
    pub const DELAY_MAX: Duration = Duration::from_secs(300);

    /// The word for a metric's label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Abort(_) => "abort",
            Self::Corrupt(_) => "corrupt",
            Self::Bandwidth(_) => "bandwidth",
            Self::Reset { .. } => "reset",
            Self::Kill => "kill",
        }
    }
}

/// Which calls may be harmed at all. Always within one application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Requests by the routes with this path, as it is written in the application's manifest.
    Route { application: Name, path: Arc<str> },
    /// Calls of a component, whoever makes them.
    Component { application: Name, component: Name },
    /// Tries of a service that is not WebAssembly.
    Upstream { application: Name, upstream: Arc<str> },
    /// What components ask of a service: `store`.
    Service { application: Name, service: String },
}

/// When: between two moments, and in it perhaps only now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Only the first part of each cycle: `on` of `every`.
    pub pulse: Option<Pulse>,
}

/// On for a while, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    pub on: Duration,
    pub every: Duration,
}

/// One injection, as written in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    pub harm: Harm,
    pub scope: Scope,
    pub share: Ratio,
    pub header: Option<HeaderMatch>,
    pub window: Window,
    /// Calls that are harmed at most.
    pub calls_max: u64,
}

/// Why an injection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectionError {
    #[error("its window ends before it begins")]
    Empty,
    #[error("it lasts for longer than {} s", Window::LONGEST.as_secs())]
    TooLong,
    #[error("a pulse is on for a part of its cycle: more than nothing, and at most all of it")]
    Pulse,
    #[error("a delay is at most {} s", Harm::DELAY_MAX.as_secs())]
    Delay,
    #[error("a bandwidth is at least 1 byte a second")]
    Bandwidth,
    #[error("an aborted call is answered with a status from 400 to 599")]
    Status,
    #[error("at most {} injections are in force at once", Faults::INJECTIONS_MAX)]
    TooMany,
}

impl Window {
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

    pub fn holds(&self, now: Timestamp) -> bool {
        let inside = now >= self.from && now < self.until;
        inside
            && self.pulse.is_none_or(|pulse| {
                now.since(self.from).as_nanos() % pulse.every.as_nanos().max(1) < pulse.on.as_nanos()
            })
    }
}

impl Injection {
    /// Whether every bound is kept.
    pub fn check(&self) -> Result<(), InjectionError> {
        let Window { from, until, pulse } = self.window;
        let wrong_pulse = pulse.is_some_and(|pulse| pulse.on.is_zero() || pulse.on > pulse.every);
        match self.harm {
            _ if until <= from => Err(InjectionError::Empty),
            _ if until.since(from) > Window::LONGEST => Err(InjectionError::TooLong),
            _ if wrong_pulse => Err(InjectionError::Pulse),
            Harm::Delay(delay) if delay > Harm::DELAY_MAX => Err(InjectionError::Delay),
            Harm::Bandwidth(0) => Err(InjectionError::Bandwidth),
            Harm::Abort(status) if !(400..600).contains(&status.as_u16()) => Err(InjectionError::Status),
            _ => Ok(()),
        }
    }
}

/// What is known of a call when it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub application: &'a Name,
    pub to: To<'a>,
    pub headers: &'a HeaderMap,
}

/// Which of its steps a call is about to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// By the path of its route, as written.
    Route(&'a str),
    Component(&'a Name),
    Upstream(&'a str),
    Service(&'a str),
}

impl Scope {
    pub fn application(&self) -> &Name {
        match self {
            Self::Route { application, .. }
            | Self::Component { application, .. }
            | Self::Upstream { application, .. }
            | Self::Service { application, .. } => application,
        }
    }

    fn covers(&self, call: &Call<'_>) -> bool {
        let step = match (self, call.to) {
            (Self::Route { path, .. }, To::Route(is)) => **path == *is,
            (Self::Component { component, .. }, To::Component(is)) => component == is,
            (Self::Upstream { upstream, .. }, To::Upstream(is)) => **upstream == *is,
            (Self::Service { service, .. }, To::Service(is)) => service == is,
            _ => false,
        };
        step && self.application() == call.application
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { application, path } => write!(f, "route {application}{path}"),
            Self::Component { application, component } => write!(f, "component {application}/{component}"),
            Self::Upstream { application, upstream } => write!(f, "upstream {application}/{upstream}"),
            Self::Service { application, service } => write!(f, "service {application}/{service}"),
        }
    }
}

/// What happens to one call: at most one harm of each kind, the first injection of the kind that hits.
pub type Harms = SmallVec<[Harm; 2]>;

/// One injection as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Never given twice.
    pub id: u64,
    pub injection: Injection,
    /// Calls that it has harmed.
    pub harmed: u64,
}

/// The injections in force. With none a call costs a look at an empty list.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    standing: Vec<Standing>,
    last: u64,
}

impl Faults {
    pub const INJECTIONS_MAX: usize = 64;

    /// Puts one in, beside those that are there; its id.
    pub fn add(&mut self, injection: Injection) -> Result<u64, InjectionError> {
        injection.check()?;
        if self.standing.len() >= Self::INJECTIONS_MAX {
            return Err(InjectionError::TooMany);
        }
        self.last += 1;
        self.standing.push(Standing { id: self.last, injection, harmed: 0 });
        Ok(self.last)
    }

    /// Takes one out; `None` where there is none of this id.
    pub fn remove(&mut self, id: u64) -> Option<Standing> {
        let at = self.standing.iter().position(|one| one.id == id)?;
        Some(self.standing.remove(at))
    }

    /// Takes out those whose window is over.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Standing> {
        self.standing.extract_if(.., |one| now >= one.injection.window.until).collect()
    }

    /// What is done to this call. `random` is uniform.
    #[inline]
    pub fn decide(&mut self, now: Timestamp, call: &Call<'_>, random: u64) -> Harms {
        let mut harms = Harms::new();
        let mut random = random;
        for Standing { injection, harmed, .. } in &mut self.standing {
            random = chance::mix(random);
            let new = |harm: &Harm| std::mem::discriminant(harm) != std::mem::discriminant(&injection.harm);
            if injection.window.holds(now)
                && *harmed < injection.calls_max
                && injection.scope.covers(call)
                && injection.header.as_ref().is_none_or(|header| split::has(call.headers, header))
                && chance::hits(random, injection.share)
                && harms.iter().all(new)
            {
                *harmed += 1;
                harms.push(injection.harm);
            }
        }
        harms
    }

    /// In the order in which they were put in.
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }

    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }
}

/// Changes this share of `bytes`, by a stream of random numbers from `seed`; each changed byte differs from before.
pub fn corrupt(bytes: &mut [u8], share: Ratio, seed: u64) {
    let mut random = seed;
    for byte in bytes {
        random = chance::mix(random);
        if chance::hits(random, share) {
            *byte ^= ((chance::mix(!random) % 255) + 1) as u8;
        }
    }
}
