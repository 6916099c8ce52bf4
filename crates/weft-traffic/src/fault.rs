//! Fault injection: which calls are harmed on purpose, how, and that it ends by itself.
//!
//! ```text
//! in its window? ─ within its scope? ─ matches its header? ─ enough harmed already? ─ drawn? ─► harm
//! ```
//!
//! Every injection is bounded in time, scope and number when it is made; nothing has to happen for it to stop.

use std::{fmt, time::Duration};

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
    /// Calls by the route written at this line of the application's manifest.
    Route {
        application: Name,
        line: u32,
    },
    Component {
        application: Name,
        component: Name,
    },
    /// What a component asks of a service: `store orders`, `queue failed-orders`, `outbound`.
    Service {
        application: Name,
        service: String,
    },
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
    fn check(&self) -> Result<(), InjectionError> {
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
    /// The line of its route, for a request from outside.
    pub line: Option<u32>,
    pub component: Option<&'a Name>,
    /// For a call of a service.
    pub service: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

impl Scope {
    fn covers(&self, call: &Call<'_>) -> bool {
        match self {
            Self::Route { application, line } => application == call.application && call.line == Some(*line),
            Self::Component { application, component } => {
                application == call.application && call.component == Some(component) && call.service.is_none()
            }
            Self::Service { application, service } => {
                application == call.application && call.service == Some(service.as_str())
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { application, line } => write!(f, "route {application}:{line}"),
            Self::Component { application, component } => write!(f, "component {application}/{component}"),
            Self::Service { application, service } => write!(f, "service {application}/{service}"),
        }
    }
}

/// What happens to one call: at most one harm of each kind, the first injection of the kind that hits.
pub type Harms = SmallVec<[Harm; 2]>;

/// The injections in force. With none a call costs a look at an empty list.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    injections: Vec<(Injection, u64)>,
}

impl Faults {
    pub const INJECTIONS_MAX: usize = 64;

    /// Replaces all: refused whole when one is wrong, with its index.
    pub fn new(injections: Vec<Injection>) -> Result<Self, (usize, InjectionError)> {
        if injections.len() > Self::INJECTIONS_MAX {
            return Err((Self::INJECTIONS_MAX, InjectionError::TooMany));
        }
        for (at, injection) in injections.iter().enumerate() {
            injection.check().map_err(|error| (at, error))?;
        }
        Ok(Self { injections: injections.into_iter().map(|injection| (injection, 0)).collect() })
    }

    /// What is done to this call. `random` is uniform.
    #[inline]
    pub fn decide(&mut self, now: Timestamp, call: &Call<'_>, random: u64) -> Harms {
        let mut harms = Harms::new();
        let mut random = random;
        for (injection, harmed) in &mut self.injections {
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

    /// Each injection and how many calls it has harmed.
    pub fn injections(&self) -> &[(Injection, u64)] {
        &self.injections
    }

    /// When the last one ends: from then on nothing is harmed any more.
    pub fn until(&self) -> Option<Timestamp> {
        self.injections.iter().map(|(injection, _)| injection.window.until).max()
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
