//! Faults as operators ask for them: read, held against what runs, and shown.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, StatusCode};
use weft_api::{FaultPulse, FaultStatus, NewFault};
use weft_telemetry::metrics::{FaultReading, FaultSource};
use weft_traffic::{
    HeaderMatch, Ratio,
    fault::{Harm, Injection, Pulse, Scope, Standing, Window},
    units::{format_bytes, format_duration, parse_bytes, parse_duration},
};
use weft_types::{Name, Timestamp};

use crate::node::Node;

/// What of a node is harmed by way of `service`.
const SERVICES: [&str; 1] = ["store"];

/// Why a fault is not put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("{0}")]
    Wrong(String),
    #[error("the node runs no application `{0}`")]
    Application(Name),
}

/// A fault that is asked for, in the core's words; a sentence where it cannot be.
pub fn injection(asked: &NewFault, now: Timestamp) -> Result<Injection, String> {
    let harm = harm(asked)?;
    let scope = scope(asked)?;
    match (&harm, &scope) {
        (Harm::Kill, Scope::Component { .. }) => {}
        (Harm::Kill, _) => return Err("`kill` ends instances: of a `component`".to_owned()),
        (Harm::Delay(_) | Harm::Abort(_), _) => {}
        (harm, Scope::Service { .. }) => {
            return Err(format!("a service can be harmed by `delay` and `abort`, not by `{}`", harm.as_str()));
        }
        _ => {}
    }
    let lasting = time("for", &asked.lasting)?;
    let from = now.saturating_add(asked.after.as_deref().map_or(Ok(Duration::ZERO), |after| time("after", after))?);
    let pulse = asked.pulse.as_ref().map(|pulse| {
        Ok::<_, String>(Pulse { on: time("pulse.on", &pulse.on)?, every: time("pulse.every", &pulse.every)? })
    });
    let injection = Injection {
        harm,
        scope,
        share: asked.share.as_deref().map_or(Ok(Ratio::ALL), |share| ratio("share", share))?,
        header: asked.header.as_deref().map(header).transpose()?,
        window: Window { from, until: from.saturating_add(lasting), pulse: pulse.transpose()? },
        calls_max: asked.calls.unwrap_or(u64::MAX),
    };
    injection.check().map_err(|error| error.to_string())?;
    Ok(injection)
}

fn harm(asked: &NewFault) -> Result<Harm, String> {
    let NewFault { delay, abort, corrupt, bandwidth, reset, kill, .. } = asked;
    let mut all = Vec::new();
    if let Some(delay) = delay {
        all.push(Harm::Delay(time("delay", delay)?));
    }
    if let Some(status) = abort {
        all.push(Harm::Abort(StatusCode::from_u16(*status).map_err(|_| format!("{status} is no status"))?));
    }
    if let Some(share) = corrupt {
        all.push(Harm::Corrupt(ratio("corrupt", share)?));
    }
    if let Some(rate) = bandwidth {
        all.push(Harm::Bandwidth(bytes("bandwidth", rate)?));
    }
    if let Some(after) = reset {
        all.push(Harm::Reset { after: bytes("reset", after)? });
    }
    if *kill {
        all.push(Harm::Kill);
    }
    match all[..] {
        [harm] => Ok(harm),
        _ => Err("a fault does exactly one of `delay`, `abort`, `corrupt`, `bandwidth`, `reset` and `kill`".to_owned()),
    }
}

fn scope(asked: &NewFault) -> Result<Scope, String> {
    let application = asked.application.clone();
    match (&asked.route, &asked.component, &asked.upstream, &asked.service) {
        (Some(path), None, None, None) => Ok(Scope::Route { application, path: path.as_str().into() }),
        (None, Some(component), None, None) => {
            let component = Name::new(component).map_err(|error| format!("`component`: {error}"))?;
            Ok(Scope::Component { application, component })
        }
        (None, None, Some(upstream), None) => Ok(Scope::Upstream { application, upstream: upstream.as_str().into() }),
        (None, None, None, Some(service)) if SERVICES.contains(&service.as_str()) => {
            Ok(Scope::Service { application, service: service.clone() })
        }
        (None, None, None, Some(service)) => Err(format!("there is no service `{service}` to harm; there is `store`")),
        _ => Err("a fault is at exactly one of `route`, `component`, `upstream` and `service`".to_owned()),
    }
}

fn time(key: &str, text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("`{key}`: {error}"))
}

fn ratio(key: &str, text: &str) -> Result<Ratio, String> {
    text.parse().map_err(|error| format!("`{key}`: {error}"))
}

fn bytes(key: &str, text: &str) -> Result<u64, String> {
    parse_bytes(text).map_err(|error| format!("`{key}`: {error}"))
}

fn header(text: &str) -> Result<HeaderMatch, String> {
    let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value.trim().into())));
    let name: HeaderName = name.trim().parse().map_err(|_| format!("`header`: `{name}` is no header's name"))?;
    Ok(HeaderMatch { name, value })
}

impl Node {
    /// Puts a fault in, at a place that the application has now.
    pub fn add_fault(&self, asked: &NewFault) -> Result<FaultStatus, FaultError> {
        let injection = injection(asked, self.faults.now()).map_err(FaultError::Wrong)?;
        self.has(&injection.scope)?;
        let id = self.faults.add(injection.clone()).map_err(|error| FaultError::Wrong(error.to_string()))?;
        Ok(status(&Standing { id, injection, harmed: 0 }, self.faults.now()))
    }

    pub(crate) fn standing_faults(&self) -> Vec<FaultStatus> {
        let now = self.faults.now();
        self.faults.standing().iter().map(|one| status(one, now)).collect()
    }

    pub(crate) fn remove_fault(&self, id: u64) -> Option<FaultStatus> {
        self.faults.remove(id).map(|gone| status(&gone, self.faults.now()))
    }

    fn has(&self, scope: &Scope) -> Result<(), FaultError> {
        let world = self.world.lock();
        let running = world.running.get(scope.application());
        let running = running.ok_or_else(|| FaultError::Application(scope.application().clone()))?;
        let (kind, wanted, known): (_, String, Vec<String>) = match scope {
            Scope::Route { path, .. } => {
                let paths = running.routes.iter().map(|route| route.path.to_string());
                ("route", path.to_string(), paths.collect())
            }
            Scope::Component { component, .. } => {
                let names = running.parts.iter().map(|part| part.stage.target.component.to_string());
                ("component", component.to_string(), names.collect())
            }
            Scope::Upstream { upstream, .. } => {
                let names = running.ways.iter().map(|way| way.to.shared.name.to_string());
                ("upstream", upstream.to_string(), names.collect())
            }
            Scope::Service { .. } => return Ok(()),
        };
        if known.contains(&wanted) {
            return Ok(());
        }
        let near = weft_manifest::nearest(&wanted, known.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(FaultError::Wrong(format!("application `{}` has no {kind} `{wanted}`{hint}", scope.application())))
    }
}

fn status(standing: &Standing, now: Timestamp) -> FaultStatus {
    let Injection { harm, scope, share, header, window, calls_max } = &standing.injection;
    FaultStatus {
        id: standing.id,
        application: scope.application().clone(),
        at: match scope {
            Scope::Route { path, .. } => format!("route {path}"),
            Scope::Component { component, .. } => format!("component {component}"),
            Scope::Upstream { upstream, .. } => format!("upstream {upstream}"),
            Scope::Service { service, .. } => format!("service {service}"),
        },
        harm: match harm {
            Harm::Delay(delay) => format!("delay {}", format_duration(*delay)),
            Harm::Abort(status) => format!("abort {}", status.as_u16()),
            Harm::Corrupt(share) => format!("corrupt {share}"),
            Harm::Bandwidth(rate) => format!("bandwidth {}/s", format_bytes(*rate)),
            Harm::Reset { after } => format!("reset after {}", format_bytes(*after)),
            Harm::Kill => "kill".to_owned(),
        },
        share: share.to_string(),
        header: header.as_ref().map(|header| match &header.value {
            Some(value) => format!("{}: {value}", header.name),
            None => header.name.to_string(),
        }),
        pulse: window
            .pulse
            .map(|Pulse { on, every }| FaultPulse { on: format_duration(on), every: format_duration(every) }),
        calls: (*calls_max != u64::MAX).then_some(*calls_max),
        harmed: standing.harmed,
        begins_in_ms: window.from.since(now).as_millis() as u64,
        ends_in_ms: window.until.since(now).as_millis() as u64,
    }
}

/// Reads what was done on purpose, for the metrics.
pub(crate) struct Read(pub(crate) Arc<weft_fault::Injector>);

impl FaultSource for Read {
    fn read(&self) -> Vec<FaultReading> {
        let read = self.0.injected().into_iter();
        read.map(|one| FaultReading { application: one.application, at: one.at, harm: one.harm, count: one.count })
            .collect()
    }

    fn standing(&self) -> usize {
        if self.0.is_armed() { self.0.standing().len() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> NewFault {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn what_is_asked_for_is_what_is_put_in() {
        let now = Timestamp::from_millis(1_000);
        let text = r#"{"application":"shop","upstream":"legacy","abort":503,"share":"20%","header":"x-chaos: 1","for":"30s",
            "after":"5s","pulse":{"on":"1s","every":"4s"},"calls":9}"#;
        let put = injection(&asked(text), now).expect("good");
        assert_eq!(put.window.until.since(now), Duration::from_secs(35));
        assert_eq!((put.share, put.calls_max), (Ratio::percent(20), 9));
        let shown = status(&Standing { id: 1, injection: put, harmed: 0 }, now);
        assert_eq!((shown.at.as_str(), shown.harm.as_str()), ("upstream legacy", "abort 503"));
        assert_eq!(shown.header.as_deref(), Some("x-chaos: 1"));
        assert_eq!((shown.begins_in_ms, shown.ends_in_ms), (5_000, 35_000));
    }

    #[test]
    fn what_cannot_be_says_why() {
        for (text, why) in [
            (r#""route":"/x","component":"api","kill":true,"for":"1s""#, "exactly one of `route`"),
            (r#""component":"api","for":"1s""#, "exactly one of `delay`"),
            (r#""component":"api","kill":true,"abort":503,"for":"1s""#, "exactly one of `delay`"),
            (r#""route":"/x","kill":true,"for":"1s""#, "of a `component`"),
            (r#""service":"store","corrupt":"1%","for":"1s""#, "by `delay` and `abort`"),
            (r#""service":"stroe","abort":503,"for":"1s""#, "there is `store`"),
            (r#""route":"/x","abort":200,"for":"1s""#, "from 400 to 599"),
            (r#""route":"/x","abort":503,"for":"25h""#, "86400 s"),
            (r#""route":"/x","abort":503,"for":"0s""#, "a duration of zero"),
            (r#""route":"/x","delay":"9m","for":"1s""#, "at most 300 s"),
            (r#""route":"/x","delay":"9","for":"1s""#, "`delay`: "),
        ] {
            let refused = injection(&asked(&format!(r#"{{"application":"shop",{text}}}"#)), Timestamp::ZERO);
            let refused = refused.expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
        assert!(serde_json::from_str::<NewFault>(r#"{"application":"shop","for":"1s","delya":"1s"}"#).is_err());
    }
}
