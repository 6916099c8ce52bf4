//! An experiment of `weft chaos run`, as its author writes it: what is steady, what is put in, what must still hold.

use std::{collections::BTreeMap, path::Path};

use schemars::JsonSchema;
use serde::Deserialize;
use weft_types::code;

use crate::{
    Problem, Report, Source, disk, parse,
    schema::experiment_schema,
    tree::{Node, Spot},
    values::{Frequency, Share, Time},
};

/// One experiment.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "experiment.toml"))]
pub struct Experiment {
    /// Version of this format. Always 1.
    #[schemars(extend("const" = 1))]
    pub experiment: u32,
    /// What is believed, in a sentence.
    pub title: String,
    /// The application that is harmed.
    #[schemars(extend("x-form" = "name"))]
    pub application: String,
    /// What is sent all the while.
    pub load: ExperimentLoad,
    /// What must hold.
    pub hypothesis: Hypothesis,
    /// How long each part lasts.
    #[serde(default)]
    pub stages: Stages,
    /// What is put in for the stage of faults: one `[[fault]]` table each.
    pub fault: Vec<ExperimentFault>,
    /// What must be seen in the metrics: one `[[expect]]` table each.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// Requests that are due evenly, whatever becomes of those before.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "load"))]
pub struct ExperimentLoad {
    /// The path and query of each request.
    #[schemars(extend("x-form" = "text", "examples" = ["/orders/7"]))]
    pub path: String,
    /// Absent: GET.
    #[schemars(extend("x-form" = "method"))]
    pub method: Option<String>,
    /// Headers of each request; `host` for a route of one host.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"x-form": "header"}))]
    pub headers: BTreeMap<String, String>,
    /// The body of each request.
    pub body: Option<String>,
    /// How many are due.
    pub rate: Frequency,
    /// How long a request may take before it counts as not answered. Absent: 10s.
    pub timeout: Option<Time>,
}

/// Objectives, written as `weft load --slo` has them: `p99<50ms,errors<0.1%`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "hypothesis"))]
pub struct Hypothesis {
    /// Before anything is put in, and after it is gone.
    pub steady: String,
    /// Under the faults. Absent: the same. `any`: whatever comes; then `[[expect]]` says what is believed.
    pub under_fault: Option<String>,
    /// What ends the experiment at once when any second of it misses this.
    pub abort: Option<String>,
}

/// How long each part lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "stages"))]
pub struct Stages {
    /// Before. Absent: 10s.
    pub steady: Option<Time>,
    /// Under the faults. Absent: 20s.
    pub fault: Option<Time>,
    /// How long it may take until it is steady again. Absent: 30s.
    pub recovers_within: Option<Time>,
    /// How long it must then stay steady. Absent: 10s.
    pub recovery: Option<Time>,
}

/// A fault: exactly one place, `route`, `component`, `upstream` or `service`, and exactly one harm.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "[fault]"))]
pub struct ExperimentFault {
    pub route: Option<String>,
    pub component: Option<String>,
    pub upstream: Option<String>,
    pub service: Option<String>,
    #[schemars(extend("x-form" = "duration"))]
    pub delay: Option<String>,
    #[schemars(range(min = 400, max = 599))]
    pub abort: Option<u16>,
    #[schemars(extend("x-form" = "share"))]
    pub corrupt: Option<String>,
    #[schemars(extend("x-form" = "size"))]
    pub bandwidth: Option<String>,
    #[schemars(extend("x-form" = "size"))]
    pub reset: Option<String>,
    #[serde(default)]
    pub kill: bool,
    /// Of how many calls. Absent: all.
    pub share: Option<Share>,
    /// Only calls with this header: `name`, or `name: value`.
    pub header: Option<String>,
    /// Only for the first `on` of each `every`.
    pub pulse: Option<ExperimentPulse>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExperimentPulse {
    #[schemars(extend("x-form" = "duration"))]
    pub on: String,
    #[schemars(extend("x-form" = "duration"))]
    pub every: String,
}

/// What must be seen in the node's metrics. Of a counter (`_total`) its increase in the stage, of anything else its value
/// at the stage's end; of several series the sum. What is not there is 0.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "[expect]"))]
pub struct Expect {
    /// Such as `weft_breaker_opens_total`.
    pub metric: String,
    /// Labels that the series must have.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// In which stage.
    #[serde(default)]
    pub during: During,
    pub at_least: Option<u32>,
    pub at_most: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum During {
    #[default]
    Fault,
    Recovery,
}

/// An experiment with its text, to point into.
#[derive(Debug)]
pub struct ExperimentFile {
    pub experiment: Experiment,
    source: Source,
    tree: Node,
}

/// One step down to what is pointed at.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    Key(&'a str),
    Item(usize),
}

impl ExperimentFile {
    /// Reads and checks its form. What its texts mean is for whoever runs it.
    pub fn read(path: &Path) -> Result<Self, Report> {
        Self::of(disk::read(path)?)
    }

    pub fn parse(file: &str, text: &str) -> Result<Self, Report> {
        Self::of(Source::new(file, text))
    }

    fn of(source: Source) -> Result<Self, Report> {
        let parsed: parse::Parsed<Experiment> = parse::parse(&source, experiment_schema())?;
        if !parsed.problems.is_empty() {
            return Err(Report::new(parsed.problems));
        }
        let file = Self { experiment: parsed.value, source, tree: parsed.tree };
        let mut problems = Vec::new();
        if file.experiment.fault.is_empty() {
            problems.push(file.problem(&[At::Key("fault")], "nothing is put in", "add a `[[fault]]` table"));
        }
        for (at, expect) in file.experiment.expect.iter().enumerate() {
            if expect.at_least.is_none() && expect.at_most.is_none() {
                let place = [At::Key("expect"), At::Item(at)];
                problems.push(file.problem(&place, "nothing is expected of it", "add `at-least` or `at-most`"));
            }
        }
        if problems.is_empty() { Ok(file) } else { Err(Report::new(problems)) }
    }

    /// A mistake at a place of the file.
    pub fn problem(&self, at: &[At<'_>], message: impl Into<String>, help: &str) -> Problem {
        let spot = at.iter().fold(Spot::root(&self.tree), |spot, step| match step {
            At::Key(key) => spot.key(key),
            At::Item(index) => spot.item(*index),
        });
        Problem::at(&self.source, spot.value_span(), code::MANIFEST_TYPE, message, "here").help(help)
    }
}
