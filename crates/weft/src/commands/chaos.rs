//! `weft chaos run`: an experiment on a running node.

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use http::Method;
use parking_lot::Mutex;
use tokio::sync::watch;
use weft_api::{FaultPulse, FaultStatus, NewFault, path};
use weft_load::{
    driver::{Driver, Options, Request, Target as At, TargetError},
    experiment::{Expectation, ExperimentReport, Laboratory, Part, Plan, Site, Verdict},
    slo::Slo,
};
use weft_manifest::{
    Report,
    experiment::{At as Step, During, Experiment, ExperimentFault, ExperimentFile},
};
use weft_traffic::units::format_duration;
use weft_types::{Name, Timestamp, code};

use super::load::node::Node;
use crate::{
    args::Format,
    client::{Admin, Target},
    failure::{Exit, Failure},
    output,
    signals::Signals,
};

/// Under faults as little as possible may be blamed on too few connections.
const CONNECTIONS: usize = 512;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Try on a running node whether a protection protects.
#[derive(Args)]
pub(crate) struct Chaos {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Run(Run),
}

/// Run an experiment: is it steady, does it bear the faults, does it recover? Exit code 0: what it believes held; 1: it
/// did not; 4: nothing can be said.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft chaos run examples/chaos/retries.toml\n  weft chaos run experiment.toml --admin-url http://127.0.0.1:3001 --format json"
)]
struct Run {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

impl Chaos {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let What::Run(run) = self.what;
        super::block_on(run.run(format))
    }
}

impl Run {
    async fn run(self, format: Format) -> Result<(), Failure> {
        let file = ExperimentFile::read(&self.file)?;
        let (plan, faults, request) = understood(&file)?;
        let (node, uri) = Node::with_url(&self.target).await?;
        let options = Options {
            connections: Some(CONNECTIONS),
            streams: 1,
            timeout: file.experiment.load.timeout.map_or(TIMEOUT, |time| time.0),
        };
        let unreachable = |error: TargetError| {
            let failure = Failure::new(code::NODE_UNREACHABLE, uri.to_string(), error.to_string());
            Failure { exit: Exit::Unreachable, ..failure }
        };
        let target = At::resolve(uri.clone(), None, false).await.map_err(unreachable)?;
        let driver = Driver::connect(target, options).await.map_err(unreachable)?;
        let site = Remote { admin: node.into_admin(), faults, put_in: Mutex::default() };
        let laboratory = Laboratory { driver, requests: Arc::new([request]), site: &site, interrupted: interrupted()? };
        let tell = |what: &str| {
            if format == Format::Text {
                eprintln!("{what}");
            }
        };
        let report = laboratory.run(&plan, tell).await;
        let report = report.map_err(|error| Failure::new(code::USAGE, "weft chaos", error.to_string()))?;
        output::print(format, &report, shown)?;
        answered(&report)
    }
}

/// Becomes true with the first signal; the second ends us.
fn interrupted() -> Result<watch::Receiver<bool>, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
    let (tell, interrupted) = watch::channel(false);
    tokio::spawn(async move {
        signals.next().await;
        let _ = tell.send(true);
        signals.next().await;
        std::process::exit(Exit::Failed as i32);
    });
    Ok(interrupted)
}

/// What the texts of an experiment mean: all that is wrong with them at once.
fn understood(file: &ExperimentFile) -> Result<(Plan, Vec<NewFault>, Request), Failure> {
    let Experiment { title, load, hypothesis, stages, fault, expect, .. } = &file.experiment;
    let mut problems = Vec::new();
    let mut slo = |key: &str, text: &str| {
        let place = [Step::Key("hypothesis"), Step::Key(key)];
        let read = text.parse::<Slo>();
        read.map_err(|error| problems.push(file.problem(&place, error.to_string(), "such as `p99<50ms,errors<0.1%`")))
    };
    let steady = slo("steady", &hypothesis.steady);
    let under_fault = match hypothesis.under_fault.as_deref() {
        Some("any") => Ok(None),
        Some(text) => slo("under-fault", text).map(Some),
        None => steady.clone().map(Some),
    };
    let abort = hypothesis.abort.as_deref().map(|text| slo("abort", text)).transpose();
    let application = Name::new(&file.experiment.application);
    let faults: Vec<NewFault> =
        fault.iter().filter_map(|fault| application.as_ref().ok().map(|name| asked(name, fault))).collect();
    for (at, fault) in faults.iter().enumerate() {
        if let Err(why) = weft_node::injection(fault, Timestamp::ZERO) {
            problems.push(file.problem(&[Step::Key("fault"), Step::Item(at)], why, "see docs/chaos.md"));
        }
    }
    let mut request = Request {
        method: load.method.as_deref().and_then(|method| method.parse().ok()).unwrap_or(Method::GET),
        path: http::uri::PathAndQuery::from_static("/"),
        headers: http::HeaderMap::new(),
        body: load.body.clone().unwrap_or_default().into(),
        expected: None,
    };
    match load.path.parse() {
        Ok(path) if load.path.starts_with('/') => request.path = path,
        _ => {
            let place = [Step::Key("load"), Step::Key("path")];
            problems.push(file.problem(&place, "this is no path", "such as `/orders/7?all=1`"));
        }
    }
    for (name, value) in &load.headers {
        match (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>()) {
            (Ok(name), Ok(value)) => drop(request.headers.append(name, value)),
            _ => {
                let place = [Step::Key("load"), Step::Key("headers"), Step::Key(name)];
                problems.push(file.problem(&place, "this is no header", "such as `host = \"shop.example\"`"));
            }
        }
    }
    let (Ok(steady), Ok(under_fault), Ok(abort), []) = (steady, under_fault, abort, &problems[..]) else {
        return Err(Report { problems }.into());
    };
    let seconds =
        |said: Option<weft_manifest::Time>, presumed| said.map_or(Duration::from_secs(presumed), |time| time.0);
    let expected = |when| expect.iter().filter(move |one| one.during == when).map(expectation).collect();
    let plan = Plan {
        title: title.clone(),
        rate: f64::from(load.rate.0.count().get()) / load.rate.0.stretch().as_secs_f64(),
        steady,
        under_fault,
        abort,
        steady_for: seconds(stages.steady, 10),
        fault_for: seconds(stages.fault, 20),
        recovers_within: seconds(stages.recovers_within, 30),
        recovery_for: seconds(stages.recovery, 10),
        expected: expected(During::Fault),
        expected_after: expected(During::Recovery),
    };
    Ok((plan, faults, request))
}

fn expectation(said: &weft_manifest::experiment::Expect) -> Expectation {
    Expectation {
        metric: said.metric.clone(),
        labels: said.labels.clone(),
        at_least: said.at_least.map(f64::from),
        at_most: said.at_most.map(f64::from),
    }
}

/// Its end is not known before it begins.
fn asked(application: &Name, fault: &ExperimentFault) -> NewFault {
    let ExperimentFault { route, component, upstream, service, delay, abort, corrupt, bandwidth, reset, .. } =
        fault.clone();
    NewFault {
        application: application.clone(),
        route,
        component,
        upstream,
        service,
        delay,
        abort,
        corrupt,
        bandwidth,
        reset,
        kill: fault.kill,
        share: fault.share.map(|share| share.0.to_string()),
        header: fault.header.clone(),
        lasting: "1h".to_owned(),
        after: None,
        pulse: fault.pulse.as_ref().map(|pulse| FaultPulse { on: pulse.on.clone(), every: pulse.every.clone() }),
        calls: None,
    }
}

/// A node by its admin API.
struct Remote {
    admin: Admin,
    faults: Vec<NewFault>,
    /// Ids of the faults that are ours to take out.
    put_in: Mutex<Vec<u64>>,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

impl Site for Remote {
    fn inject(&self, lasting: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            for fault in &self.faults {
                let bounded = NewFault { lasting: format_duration(lasting), ..fault.clone() };
                let put: FaultStatus = self.admin.post(path::FAULTS, &bounded).await.map_err(sentence)?;
                self.put_in.lock().push(put.id);
            }
            Ok(())
        })
    }

    fn heal(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let ids = self.put_in.lock().clone();
            for id in ids {
                match self.admin.delete::<FaultStatus>(&path::of_fault(id)).await {
                    Ok(_) => {}
                    // It has ended by itself, or somebody else was faster.
                    Err(failure) if failure.report.problems.iter().any(|one| one.code == code::NOT_FOUND) => {}
                    Err(failure) => return Err(sentence(failure)),
                }
                self.put_in.lock().retain(|other| *other != id);
            }
            Ok(())
        })
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async move { self.admin.text(path::METRICS).await.map_err(sentence) })
    }
}

fn sentence(failure: Failure) -> String {
    let all = failure.report.problems.iter().map(|problem| problem.message.clone());
    all.collect::<Vec<_>>().join("; ")
}

fn shown(report: &ExperimentReport) -> String {
    let verdict = match report.verdict {
        Verdict::Held => "held",
        Verdict::Broken => "BROKEN",
        Verdict::Void => "nothing can be said",
    };
    let mut text = format!("{}: {verdict}\n", report.title);
    for reason in &report.because {
        text.push_str(&format!("  {reason}\n"));
    }
    let head = ["part", "requests", "ok", "p50", "p99", "what was answered"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.parts.iter().map(row));
    text.push_str(&output::table(&rows));
    for seen in report.parts.iter().flat_map(|part| &part.seen) {
        text.push_str(&format!(
            "{}  {}: {}\n",
            if seen.met { "seen  " } else { "UNSEEN" },
            seen.expected,
            seen.measured
        ));
    }
    if let Some(recovered) = report.recovered_s {
        text.push_str(&format!("steady again after {recovered:.1} s\n"));
    }
    text
}

fn row(part: &Part) -> Vec<String> {
    let of = &part.figures;
    let statuses = of.statuses.iter().map(|(status, count)| format!("{status}: {count}"));
    let codes = of.codes.iter().map(|(code, count)| format!("{code}: {count}"));
    let broken = of.broken.iter().map(|(how, count)| format!("{how:?}: {count}").to_lowercase());
    vec![
        part.name.to_owned(),
        of.requests.to_string(),
        of.ok.to_string(),
        format!("{:.1} ms", of.latency.p50_ms),
        format!("{:.1} ms", of.latency.p99_ms),
        statuses.chain(codes).chain(broken).collect::<Vec<_>>().join(", "),
    ]
}

fn answered(report: &ExperimentReport) -> Result<(), Failure> {
    let about = report.title.as_str();
    match report.verdict {
        Verdict::Held => Ok(()),
        Verdict::Broken => {
            let failure = Failure::new(code::EXPERIMENT_BROKEN, about, "what it believes does not hold");
            Err(failure.help("the reasons stand above"))
        }
        Verdict::Void => {
            let failure = Failure::new(code::EXPERIMENT_VOID, about, "it says nothing");
            Err(Failure { exit: Exit::Void, ..failure.help("the reason stands above") })
        }
    }
}
