//! What gave way first: of everything that was seen to go wrong, what began earliest and was enough to matter. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::{
    slo::{Clause, Slo, percent},
    tally::{Broken, Count, Signal, Tally},
};

/// A share of what an objective allows that is enough to matter.
const MATTERS: f64 = 0.1;
/// A processor that is used to this share has nothing to give.
const CPU_FULL: f64 = 0.9;

/// What a node said of itself at one moment of a load.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Since the start of the load.
    pub at: Duration,
    /// Processor seconds that its process has used so far.
    pub cpu_seconds: f64,
    /// Processors that it may use, where that is known.
    pub processors: Option<usize>,
    pub components: Vec<Component>,
}

/// What a node said of one component.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Component {
    /// `application/component`
    pub name: String,
    pub active: u64,
    pub waiting: u64,
    /// Refused to protect something, so far.
    pub shed: u64,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// What was loaded, or something behind it.
    Server,
    /// What the node says of itself.
    Node,
    /// The generator of the load, or the machine that it runs on.
    Generator,
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sign {
    /// Seconds since the end of the warm-up, by when requests were due; by when it was seen, for what a node said.
    pub after_s: f64,
    pub place: Where,
    /// `overloaded`, `status-500`, `timeout`, `latency`, `processor`, `queue`, `connections`, `sending`, …
    pub what: String,
    /// A sentence for people.
    pub said: String,
    /// What to look at next, where something is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

/// The signs of a load that missed its objective, the first one first.
pub fn signs(tally: &Tally, slo: &Slo, samples: &[Sample]) -> Vec<Sign> {
    let count = tally.judged();
    // Of what began at the same time, the nearer to the cause comes first.
    let warm = samples.iter().take_while(|sample| sample.at < tally.judged_from()).count();
    let mut signs = node(&samples[warm..]);
    signs.extend(slowness(tally, slo, &count));
    signs.extend(answers(tally, slo, &count));
    let from = tally.judged_from().as_secs_f64();
    signs.iter_mut().for_each(|sign| sign.after_s = (sign.after_s - from).max(0.0));
    signs.sort_by(|a, b| a.after_s.total_cmp(&b.after_s));
    signs
}

fn answers(tally: &Tally, slo: &Slo, count: &Count) -> Vec<Sign> {
    let all = count.ended();
    // Who waited or was sent late is slow, not failed: it matters beside what is allowed to be slow.
    let slow_allowed = slo.bounds().map(|(_, share)| share).fold(f64::INFINITY, f64::min);
    let enough = |signal: &Signal| {
        let allowed = match signal {
            Signal::Waited | Signal::Behind if slow_allowed.is_finite() => slow_allowed,
            _ => slo.errors_below(),
        };
        (all as f64 * allowed * MATTERS).max(1.0)
    };
    let sightings = tally.sightings().iter().filter(|(signal, seen)| seen.count as f64 >= enough(signal));
    sightings
        .map(|(signal, seen)| {
            let (place, what, said, hint) = told(signal);
            let share = percent((seen.count as f64 / all as f64 * 1000.0).round() / 1000.0);
            let said = format!("{said}: {} of {all} ({share} %)", seen.count);
            Sign { after_s: seen.first.as_secs_f64(), place, what, said, hint }
        })
        .collect()
}

type Told = (Where, String, String, Option<&'static str>);

fn told(signal: &Signal) -> Told {
    let server = |what: &str, said: &str, hint| (Where::Server, what.to_owned(), said.to_owned(), hint);
    match signal {
        Signal::Code(code) => (Where::Server, code.clone(), format!("answers `{code}`"), code_hint(code)),
        Signal::Status(status) => {
            (Where::Server, format!("status-{status}"), format!("answers {status} of the application"), None)
        }
        Signal::Broken(Broken::Connect) => server("connect", "connections were not made", CONNECT_HINT),
        Signal::Broken(Broken::Tls) => server("tls", "TLS handshakes failed", None),
        Signal::Broken(Broken::Lost) => server("lost", "connections broke before the answer was complete", None),
        Signal::Broken(Broken::Malformed) => server("malformed", "answers were not HTTP", None),
        Signal::Broken(Broken::Timeout) => server("timeout", "requests had no answer within the timeout", None),
        Signal::Broken(Broken::Unsent) => {
            let said = "requests found no free connection within the timeout and were never sent".to_owned();
            (Where::Generator, "unsent".to_owned(), said, WAITED_HINT)
        }
        Signal::Waited => {
            let said = "requests were due while every connection was in use".to_owned();
            (Where::Generator, "connections".to_owned(), said, WAITED_HINT)
        }
        Signal::Behind => {
            let said = "requests were sent late by this generator".to_owned();
            (Where::Generator, "sending".to_owned(), said, Some("load from a machine with more to spare"))
        }
    }
}

const CONNECT_HINT: Option<&str> =
    Some("a full accept queue, a connection cap (`limits.connections` of node.toml), or no free ports here");
const WAITED_HINT: Option<&str> =
    Some("every connection waited for an answer: with answers this slow, --connections bounds the load");

fn code_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "rate-limited" => "the route's `rate-limit`",
        "overloaded" => "the component's places: `limits.concurrency`, its queue, or what its calls wait for",
        "deadline-exceeded" => "the route's `timeout`, or what the component waits for",
        "cpu-limit" => "the component's `limits.cpu`",
        "memory-limit" => "the component's `limits.memory`",
        "breaker-open" | "upstream-unreachable" | "upstream-lost" => "the service behind the route",
        "draining" => "the node was shutting down",
        "store-unavailable" | "store-full" | "store-conflict" => "the store",
        _ => return None,
    })
}

fn slowness(tally: &Tally, slo: &Slo, count: &Count) -> Option<Sign> {
    let clauses = slo.clauses().iter().filter(|clause| matches!(clause, Clause::Latency { .. }));
    let judgement = slo.judge(count);
    let sign = |(index, clause): (usize, &Clause)| {
        let missed = judgement.clauses.iter().any(|judged| judged.clause == *clause && !judged.met);
        let since = missed.then(|| tally.slow_since(index)).flatten()?;
        let measured = judgement.clauses.iter().find(|judged| judged.clause == *clause)?.measured;
        Some(Sign {
            after_s: since.as_secs_f64(),
            place: Where::Server,
            what: "latency".to_owned(),
            said: format!("latency above `{clause}`: {measured:.1} ms over the whole"),
            hint: None,
        })
    };
    clauses.enumerate().filter_map(sign).min_by(|a, b| a.after_s.total_cmp(&b.after_s))
}

fn node(samples: &[Sample]) -> Vec<Sign> {
    let mut signs: Vec<Sign> = processor(samples).into_iter().collect();
    let names: std::collections::BTreeSet<&str> =
        samples.iter().flat_map(|sample| &sample.components).map(|component| component.name.as_str()).collect();
    signs.extend(names.into_iter().filter_map(|name| queue(samples, name)));
    signs
}

fn processor(samples: &[Sample]) -> Option<Sign> {
    let used = |pair: &[Sample]| {
        let seconds = pair[1].at.saturating_sub(pair[0].at).as_secs_f64();
        (seconds > 0.0).then(|| (pair[1].cpu_seconds - pair[0].cpu_seconds) / seconds)
    };
    let all = samples.last()?.processors? as f64;
    let full: Vec<(Duration, f64)> = samples
        .windows(2)
        .filter_map(|pair| Some((pair[0].at, used(pair)?)))
        .filter(|(_, cpu)| *cpu >= all * CPU_FULL)
        .collect();
    let most = full.iter().map(|(_, cpu)| *cpu).fold(0.0, f64::max);
    let (first, _) = full.first()?;
    Some(Sign {
        after_s: first.as_secs_f64(),
        place: Where::Node,
        what: "processor".to_owned(),
        said: format!("the node used {most:.1} of {all} processors"),
        hint: Some("the node computes all the time: less work a request, or more processors"),
    })
}

fn queue(samples: &[Sample], name: &str) -> Option<Sign> {
    let seen = || {
        samples
            .iter()
            .filter_map(|sample| Some((sample.at, sample.components.iter().find(|component| component.name == name)?)))
    };
    let (first, _) = seen().find(|(_, component)| component.waiting > 0)?;
    let (_, longest) = seen().max_by_key(|(_, component)| component.waiting)?;
    let shed = seen().next_back()?.1.shed.saturating_sub(seen().next()?.1.shed);
    let shed = if shed > 0 { format!("; {shed} were shed") } else { String::new() };
    let (waiting, active) = (longest.waiting, longest.active);
    Some(Sign {
        after_s: first.as_secs_f64(),
        place: Where::Node,
        what: "queue".to_owned(),
        said: format!("{waiting} calls of {name} waited for a place while {active} ran{shed}"),
        hint: Some("the component's `limits.concurrency`, or what its calls wait for"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        schedule::{Arrival, Stage},
        tally::{Ended, Outcome},
    };

    const MS: Duration = Duration::from_millis(1);

    /// 1,000 requests over 10 s; what becomes of each is asked.
    fn load(slo: &Slo, of: impl Fn(u64) -> (u32, bool, Outcome)) -> Tally {
        let mut tally = Tally::new(&[Stage::constant(100.0, MS * 10_000)], 0, MS * 1000, Some(slo));
        for number in 0..1000 {
            let due = MS * 10 * u32::try_from(number).expect("small");
            let (took, waited, outcome) = of(number);
            let arrival = Arrival { number, stage: 0, due };
            tally.record(&Ended { arrival, waited, sent: Some(due), ended: due + MS * took, outcome, bytes: 0 });
        }
        tally
    }

    fn answered(status: u16, code: &str) -> Outcome {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Outcome::Answered { status, ok: status < 400, code }
    }

    fn what(signs: &[Sign]) -> Vec<&str> {
        signs.iter().map(|sign| sign.what.as_str()).collect()
    }

    #[test]
    fn what_began_first_comes_first_and_a_stray_one_does_not_count() {
        let slo = "p99<50ms,errors<10%".parse().expect("good");
        let tally = load(&slo, |number| match number {
            3 => (1, false, answered(500, "guest-trap")), // one of a thousand, where a hundred are allowed
            600.. => (1, false, answered(503, "overloaded")),
            400.. => (300, false, answered(200, "")),
            _ => (5, false, answered(200, "")),
        });
        let signs = signs(&tally, &slo, &[]);
        assert_eq!(what(&signs), ["latency", "overloaded"]);
        assert_eq!((signs[0].after_s, signs[1].after_s), (4.0, 6.0));
        assert_eq!(signs[1].said, "answers `overloaded`: 400 of 1000 (40 %)");
        assert!(signs[1].hint.expect("known").contains("limits.concurrency"));
    }

    #[test]
    fn connections_that_were_all_in_use_are_the_generators() {
        let slo = "p99<50ms".parse().expect("good");
        let tally = load(&slo, |number| (if number < 500 { 5 } else { 400 }, number >= 500, answered(200, "")));
        let signs = signs(&tally, &slo, &[]);
        assert_eq!(what(&signs), ["latency", "connections"]);
        assert_eq!(signs[1].place, Where::Generator);
    }

    #[test]
    fn a_node_says_when_its_processors_and_places_were_used_up() {
        let slo = "p99<50ms".parse().expect("good");
        let tally = load(&slo, |number| (if number < 500 { 5 } else { 400 }, false, answered(200, "")));
        let sample = |seconds: u32, cpu_seconds, waiting, shed| Sample {
            at: MS * 1000 * seconds,
            cpu_seconds,
            processors: Some(2),
            components: vec![Component { name: "shop/api".to_owned(), active: 8, waiting, shed }],
        };
        let samples = [
            sample(0, 1.0, 0, 4),
            sample(1, 2.0, 0, 4),
            sample(2, 3.95, 0, 4),
            sample(3, 5.9, 9, 4),
            sample(4, 7.9, 30, 9),
        ];
        let signs = signs(&tally, &slo, &samples);
        assert_eq!(what(&signs), ["processor", "queue", "latency"]);
        assert_eq!((signs[0].after_s, signs[1].after_s), (1.0, 3.0));
        assert_eq!(signs[0].said, "the node used 2.0 of 2 processors");
        assert_eq!(signs[1].said, "30 calls of shop/api waited for a place while 8 ran; 5 were shed");
    }

    #[test]
    fn a_load_that_met_its_objective_shows_no_slowness() {
        let slo = "p90<50ms".parse().expect("good");
        let tally = load(&slo, |number| (if number % 100 == 0 { 80 } else { 5 }, false, answered(200, "")));
        assert_eq!(what(&signs(&tally, &slo, &[])), Vec::<&str>::new());
    }
}
