//! `weft load`: load that does not wait for answers, and how much of it is borne.

pub(super) mod node;
mod requests;
mod shown;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use http::{HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use weft_load::{
    driver::{Driver, Options, Stop, Target, TargetError},
    report::{CapacityReport, Report},
    schedule::{self, RATE_MAX, Spacing, Stage},
    search::Found,
    session::{Capacity, Look, Session},
    slo::Slo,
};
use weft_traffic::units;
use weft_types::code;

use self::{node::Node, requests::What};
use crate::{
    args::Format,
    client,
    failure::{Exit, Failure},
    output,
    signals::Signals,
};

const FOR: Duration = Duration::from_secs(10);
/// Before each probe of a search: connections are made, code is warm.
const WARM_UP: Duration = Duration::from_secs(1);
const RATE: f64 = 100.0;

/// Send load that does not wait for answers, timed from when each request was due; find the rate that an objective bears.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft load http://127.0.0.1:3000/ --rate 500 --for 10s\n  weft load http://127.0.0.1:3000/ --stages 10s:100..1000,30s:1000 --slo 'p99<50ms,errors<0.1%'\n  weft load requests/02-read.http --find-capacity --slo 'p99<50ms,errors<0.1%'   at the node of this folder"
)]
pub(crate) struct Load {
    /// A URL, or a request file or a folder of them, sent to the node of this data folder.
    #[arg(value_name = "URL|FILE")]
    what: What,
    /// Requests a second; where a search for the capacity begins. [default: 100]
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with = "stages")]
    rate: Option<f64>,
    /// How long; with --find-capacity, each rate that is tried. [default: 10s]
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "stages")]
    lasting: Option<Duration>,
    /// Stages instead: `10s:100..500,30s:500` rises in ten seconds, then holds.
    #[arg(long, value_name = "STAGES", conflicts_with = "find_capacity")]
    stages: Option<String>,
    /// Requests come as independent clients send them, not evenly.
    #[arg(long)]
    poisson: bool,
    /// The same seed is the same schedule.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "poisson")]
    seed: u64,
    /// Send for so long before anything is judged. [default: none; 1s with --find-capacity]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    warm_up: Option<Duration>,
    /// A request file, or a folder whose files are sent in turn, to the URL.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "headers", "body"])]
    requests: Option<PathBuf>,
    /// [default: GET, or POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<Method>,
    /// A header of each request; as often as needed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of each request.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Open connections at most. [default: 256; 4 by HTTP/2]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    connections: Option<u32>,
    /// Speak HTTP/2 without TLS. With TLS, the server chooses.
    #[arg(long)]
    http2: bool,
    /// Requests at once on one HTTP/2 connection.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    streams: u32,
    /// How long a request waits for a free connection, and how long for its whole answer.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::parse_duration)]
    timeout: Duration,
    /// Certificates (PEM) to trust beside the platform's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What must hold: `p99<50ms,errors<0.1%`. If it does not, the exit code is 1.
    #[arg(long, value_name = "OBJECTIVE", required_if_eq("find_capacity", "true"))]
    slo: Option<Slo>,
    /// Search the highest rate that meets the objective, and say what gave way first above it.
    #[arg(long)]
    find_capacity: bool,
    /// No higher rate is tried.
    #[arg(long, value_name = "RATE", value_parser = rate, requires = "find_capacity")]
    max_rate: Option<f64>,
    /// How close to the capacity, in percent of it.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, requires = "find_capacity", value_parser = clap::value_parser!(u8).range(1..=100))]
    precision: u8,
    #[command(flatten)]
    node: client::Target,
}

/// What is printed: where load was sent and how, and what it showed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Printed<'a, T> {
    url: String,
    protocol: &'static str,
    connections: usize,
    /// Requests at once at most.
    in_flight: usize,
    /// Different requests, sent in turn.
    requests: usize,
    /// Whether the node behind the URL told of itself.
    node: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    slo: Option<String>,
    #[serde(flatten)]
    showed: &'a T,
}

fn rate(text: &str) -> Result<f64, String> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    let rate = text.parse::<f64>().ok().filter(|rate| (0.001..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("a rate is 0.001 to {RATE_MAX} requests a second"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `name: value`")?;
    let name = name.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((name, value.trim().parse().map_err(|error| format!("{error}"))?))
}

impl Load {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let stages = self.stages()?;
        super::block_on(async {
            let (session, uri) = self.session().await?;
            let stop = session.stop.clone();
            let mut signals =
                Signals::listen().map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
            // The first signal ends the load and keeps what it showed; the second ends us.
            tokio::spawn(async move {
                signals.next().await;
                stop.stop();
                signals.next().await;
                std::process::exit(Exit::Failed as i32);
            });
            match &self.slo {
                Some(slo) if self.find_capacity => self.search(&session, &uri, slo, format).await,
                slo => self.load(&session, &uri, stages, slo.as_ref(), format).await,
            }
        })
    }

    fn stages(&self) -> Result<Vec<Stage>, Failure> {
        match &self.stages {
            Some(stages) => schedule::parse_stages(stages).map_err(wrong),
            None => Ok(vec![Stage::constant(self.rate.unwrap_or(RATE), self.lasting.unwrap_or(FOR))]),
        }
    }

    async fn load(
        &self,
        session: &Session,
        uri: &Uri,
        stages: Vec<Stage>,
        slo: Option<&Slo>,
        format: Format,
    ) -> Result<(), Failure> {
        let report = session.run(stages, slo).await.map_err(wrong)?;
        output::print(format, &self.printed(session, uri, &report), |of| shown::load(&self.heading(of), &report))?;
        missed(&report)
    }

    async fn search(&self, session: &Session, uri: &Uri, slo: &Slo, format: Format) -> Result<(), Failure> {
        let of = Capacity {
            start: self.rate.unwrap_or(RATE),
            most: self.max_rate.unwrap_or(RATE_MAX),
            precision: f64::from(self.precision) / 100.0,
            lasting: self.lasting.unwrap_or(FOR),
        };
        let tell = |probe: &_| {
            if format == Format::Text {
                eprintln!("{}", shown::probe(probe));
            }
        };
        let report = session.capacity(of, slo, tell).await.map_err(wrong)?;
        output::print(format, &self.printed(session, uri, &report), |of| shown::capacity(&self.heading(of), &report))?;
        none_found(&report)
    }

    fn printed<'a, T>(&self, session: &Session, uri: &Uri, showed: &'a T) -> Printed<'a, T> {
        Printed {
            url: uri.to_string(),
            protocol: if session.driver.speaks_http2() { "HTTP/2" } else { "HTTP/1.1" },
            connections: session.driver.connections(),
            in_flight: session.driver.places(),
            requests: session.requests.len(),
            node: session.look.is_some(),
            slo: self.slo.as_ref().map(Slo::to_string),
            showed,
        }
    }

    fn heading<T>(&self, of: &Printed<'_, T>) -> String {
        let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let requests = if of.requests == 1 { String::new() } else { format!(", {} requests in turn", of.requests) };
        let slo = of.slo.as_ref().map(|slo| format!(", objective {slo}")).unwrap_or_default();
        let connections = many(of.connections, "connection");
        format!("{}  {}, {connections} at most, {} in flight{requests}{slo}", of.url, of.protocol, of.in_flight)
    }

    /// The connection, the requests and the node behind it.
    async fn session(&self) -> Result<(Session, Uri), Failure> {
        let (uri, node) = self.place().await?;
        let options = Options {
            connections: self.connections.map(|connections| connections as usize),
            streams: self.streams as usize,
            timeout: self.timeout,
        };
        let target = Target::resolve(uri.clone(), self.ca.clone(), self.http2)
            .await
            .map_err(|error| unreachable(&uri, &error))?;
        let local = target.is_loopback();
        let driver = Driver::connect(target, options).await.map_err(|error| unreachable(&uri, &error))?;
        let requests = match (&self.requests, &self.what) {
            (Some(file), _) | (None, What::File(file)) => requests::read(file, &driver).await?,
            (None, What::Url(uri)) => vec![self.request(uri)],
        };
        let session = Session {
            driver,
            requests: requests.into(),
            spacing: if self.poisson { Spacing::Poisson { seed: self.seed } } else { Spacing::Even },
            warm_up: self.warm_up.unwrap_or(if self.find_capacity { WARM_UP } else { Duration::ZERO }),
            look: node.map(|node| Arc::new(node.on_this_machine(local)) as Arc<dyn Look>),
            stop: Stop::default(),
        };
        Ok((session, uri))
    }

    /// Where load goes, and the node there if it is one that is known here.
    async fn place(&self) -> Result<(Uri, Option<Node>), Failure> {
        match &self.what {
            What::Url(uri) => Ok((uri.clone(), Node::behind(uri, &self.node).await?)),
            What::File(_) => {
                let (node, uri) = Node::with_url(&self.node).await?;
                Ok((uri, Some(node)))
            }
        }
    }

    fn request(&self, uri: &Uri) -> weft_load::driver::Request {
        let presumed = if self.body.is_some() { Method::POST } else { Method::GET };
        weft_load::driver::Request {
            method: self.method.clone().unwrap_or(presumed),
            path: uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            headers: self.headers.iter().cloned().collect(),
            body: self.body.clone().unwrap_or_default().into(),
            expected: None,
        }
    }
}

fn wrong(error: schedule::StageError) -> Failure {
    Failure::new(code::USAGE, "weft load", error.to_string())
}

fn unreachable(uri: &Uri, error: &TargetError) -> Failure {
    let (code, exit) = match error {
        TargetError::Url(_) => (code::USAGE, Exit::Usage),
        TargetError::Ca { .. } => (code::TLS_INVALID, Exit::Failed),
        _ => (code::NODE_UNREACHABLE, Exit::Unreachable),
    };
    Failure { exit, ..Failure::new(code, uri.to_string(), error.to_string()) }
}

fn missed(report: &Report) -> Result<(), Failure> {
    match &report.judgement {
        Some(judgement) if !judgement.met => Err(slo_missed("the load did not meet its objective")),
        _ => Ok(()),
    }
}

fn none_found(report: &CapacityReport) -> Result<(), Failure> {
    match report.found {
        Some(Found::Below { rate }) => Err(slo_missed(&format!("even {rate} requests a second miss the objective"))),
        Some(Found::NotSent { rate }) => {
            Err(slo_missed(&format!("even {rate} requests a second cannot be sent in time from here")))
        }
        _ => Ok(()),
    }
}

fn slo_missed(message: &str) -> Failure {
    Failure::new(code::SLO_MISSED, "weft load", message).help("what gave way stands above")
}
