//! `weft fault`: faults that are put in on purpose, for a while.

use clap::{ArgGroup, Args, Subcommand};
use weft_api::{FaultPulse, FaultStatus, Faults, NewFault, path};
use weft_types::Name;

use crate::{args::Format, client::Target, failure::Failure, output};

/// Put a fault in on purpose: it ends by itself, and what it harms says so. See also `weft chaos run`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft fault put orders --component api --delay 200ms --share 20% --for 30s\n  weft fault put orders --upstream legacy --abort 503 --for 1m\n  weft fault list\n  weft fault remove 3"
)]
pub(crate) struct Fault {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Put one in.
    Put(Box<Put>),
    /// Show those that are in force, and those that are yet to begin.
    List(List),
    /// Take one out before its end.
    Remove(Remove),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct Remove {
    #[arg(value_name = "ID")]
    id: u64,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(
    group = ArgGroup::new("at").required(true).args(["route", "component", "upstream", "service"]),
    group = ArgGroup::new("harm").required(true).args(["delay", "abort", "corrupt", "bandwidth", "reset", "kill"]),
)]
struct Put {
    #[arg(value_name = "APPLICATION")]
    application: Name,
    /// Requests by the routes with this path, as the manifest has it.
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// Calls of this component.
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Each try of this upstream: its name, or its endpoints as `weft status` shows them.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// `store`: what the components ask of their stores.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// They wait before they go on.
    #[arg(long, value_name = "TIME")]
    delay: Option<String>,
    /// They are answered with this status, and do not go on.
    #[arg(long, value_name = "STATUS")]
    abort: Option<u16>,
    /// This share of the bytes of their answers is changed.
    #[arg(long, value_name = "PERCENT")]
    corrupt: Option<String>,
    /// Their answers come at most this fast: bytes a second.
    #[arg(long, value_name = "SIZE")]
    bandwidth: Option<String>,
    /// Their connections are lost after so many bytes of the answer; `0B`: before it.
    #[arg(long, value_name = "SIZE")]
    reset: Option<String>,
    /// The instances that serve them are ended.
    #[arg(long)]
    kill: bool,
    /// Of how many calls. [default: 100%]
    #[arg(long, value_name = "PERCENT")]
    share: Option<String>,
    /// Only calls with this header.
    #[arg(long, value_name = "NAME[: VALUE]")]
    header: Option<String>,
    /// How long: at most 24h.
    #[arg(long = "for", value_name = "TIME")]
    lasting: String,
    /// Begin so much later.
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only for the first `ON` of each `EVERY`: `1s/10s`.
    #[arg(long, value_name = "ON/EVERY", value_parser = pulse)]
    pulse: Option<FaultPulse>,
    /// Harm so many calls at most.
    #[arg(long, value_name = "NUMBER")]
    calls: Option<u64>,
    #[command(flatten)]
    target: Target,
}

fn pulse(text: &str) -> Result<FaultPulse, String> {
    let (on, every) = text.split_once('/').ok_or("write it as `1s/10s`")?;
    Ok(FaultPulse { on: on.to_owned(), every: every.to_owned() })
}

impl Fault {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        super::block_on(async {
            match self.what {
                What::Put(put) => {
                    let Put { application, route, component, upstream, service, target, .. } = *put;
                    let Put { delay, abort, corrupt, bandwidth, reset, kill, .. } = *put;
                    let Put { share, header, lasting, after, pulse, calls, .. } = *put;
                    let asked = NewFault {
                        application,
                        route,
                        component,
                        upstream,
                        service,
                        delay,
                        abort,
                        corrupt,
                        bandwidth,
                        reset,
                        kill,
                        share,
                        header,
                        lasting,
                        after,
                        pulse,
                        calls,
                    };
                    let put: FaultStatus = target.find()?.post(path::FAULTS, &asked).await?;
                    output::print(format, &put, |put| table(std::slice::from_ref(put)))
                }
                What::List(list) => {
                    let faults: Faults = list.target.find()?.get(path::FAULTS).await?;
                    output::print(format, &faults, |faults| match faults.faults[..] {
                        [] => "no fault is in force".to_owned(),
                        _ => table(&faults.faults),
                    })
                }
                What::Remove(remove) => {
                    let gone: FaultStatus = remove.target.find()?.delete(&path::of_fault(remove.id)).await?;
                    output::print(format, &gone, |gone| {
                        let FaultStatus { id, application, at, harm, harmed, .. } = gone;
                        format!("fault {id} is taken out: {harm} at {application} {at}; it harmed {harmed} calls")
                    })
                }
            }
        })
    }
}

fn table(faults: &[FaultStatus]) -> String {
    let head = ["id", "application", "at", "harm", "share", "only", "harmed", "ends in"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(faults.iter().map(|fault| {
        vec![
            fault.id.to_string(),
            fault.application.to_string(),
            fault.at.clone(),
            fault.harm.clone(),
            fault.share.clone(),
            only(fault),
            fault.harmed.to_string(),
            format!("{:.0} s", fault.ends_in_ms as f64 / 1e3),
        ]
    }));
    output::table(&rows)
}

fn only(fault: &FaultStatus) -> String {
    let mut all = Vec::new();
    all.extend(fault.header.as_ref().map(|header| format!("with {header}")));
    all.extend(fault.pulse.as_ref().map(|FaultPulse { on, every }| format!("{on} of each {every}")));
    all.extend(fault.calls.map(|calls| format!("{calls} calls")));
    all.extend((fault.begins_in_ms > 0).then(|| format!("in {:.0} s", fault.begins_in_ms as f64 / 1e3)));
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
