//! The one task that empties the queue: batches, sends, tries again, gives up; and, when asked, ends.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use opentelemetry_proto::tonic::collector::{
    metrics::v1::ExportMetricsServiceResponse, trace::v1::ExportTraceServiceResponse,
};
use prost::Message;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};
use weft_types::Name;

use super::{
    Identity, Pace,
    client::{Answer, Collector},
    encode,
};
use crate::{
    metrics::{Count, NodeMeter},
    trace::{Attributes, GuestMetric, Item, SpanRecord, Value, Waiting},
};

/// Distinct series of one component that are passed on in an hour; more is a mistake that would cost its operator.
const SERIES_MAX: usize = 2000;
const SERIES_WINDOW: Duration = Duration::from_secs(3600);

/// The running exporter. Dropped without [`Self::shutdown`], it goes on until the last sink is gone.
pub struct Exporter {
    stop: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

impl Exporter {
    pub(super) fn start(sender: Sender, waiting: Waiting) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Task { sender, waiting, series: Series::new() }.run(stopped));
        Self { stop, task }
    }

    /// Sends what waits, and ends; gives up the rest when `within` is over.
    pub async fn shutdown(self, within: Duration) {
        let _ = self.stop.send(Instant::now() + within);
        let _ = self.task.await;
    }
}

struct Task {
    sender: Sender,
    waiting: Waiting,
    series: Series,
}

impl Task {
    async fn run(mut self, mut stop: oneshot::Receiver<Instant>) {
        loop {
            let mut batch = Vec::new();
            let until = tokio::select! {
                biased;
                until = wait_for(&mut stop) => Some(until),
                () = fill(&mut self.waiting, &mut batch, self.sender.pace) => None,
            };
            if let Some(until) = until {
                return self.finish(batch, until).await;
            }
            if batch.is_empty() {
                return;
            }
            if let Some(until) = self.send_or_stop(batch, &mut stop).await {
                return self.finish(Vec::new(), until).await;
            }
        }
    }

    /// Sends a batch. Told to stop meanwhile, it goes on to the deadline: what is on its way may still arrive.
    async fn send_or_stop(&mut self, batch: Vec<Item>, stop: &mut oneshot::Receiver<Instant>) -> Option<Instant> {
        let mut sending = std::pin::pin!(self.send(batch, None));
        let until = tokio::select! {
            biased;
            until = wait_for(stop) => until,
            () = &mut sending => return None,
        };
        let _ = tokio::time::timeout_at(until, sending).await;
        Some(until)
    }

    /// Everything that still waits, within the time that is left.
    async fn finish(&mut self, first: Vec<Item>, until: Instant) {
        self.waiting.queue.close();
        let mut rest = first;
        while let Ok(item) = self.waiting.queue.try_recv() {
            rest.push(item);
        }
        while !rest.is_empty() {
            let batch = rest.drain(..rest.len().min(self.sender.pace.batch_max)).collect();
            self.send(batch, Some(until)).await;
        }
    }

    /// Sends a batch, or gives it up: after its tries, or when the time is over.
    async fn send(&mut self, batch: Vec<Item>, until: Option<Instant>) {
        let weight = batch.iter().map(Item::weight).sum();
        let (spans, metrics) = apart(batch);
        let metrics = self.series.within_bound(metrics, &self.sender.node);
        let node = &self.sender.node;
        let points = metrics.iter().map(|metric| metric.data.points() as u64).sum();
        // Both from the start: what is cut short before its turn is lost as well.
        let open_spans = Open { count: spans.len() as u64, dropped: &node.spans_dropped };
        let open_points = Open { count: points, dropped: &node.points_dropped };
        self.sender.spans(spans, open_spans, until).await;
        self.sender.metrics(metrics, open_points, until).await;
        self.waiting.done(weight);
    }
}

/// Returns with a full batch, with one whose first item has waited long enough, or with none at the end.
async fn fill(waiting: &mut Waiting, batch: &mut Vec<Item>, pace: Pace) {
    waiting.queue.recv_many(batch, pace.batch_max).await;
    let until = Instant::now() + pace.wait;
    while !batch.is_empty() && batch.len() < pace.batch_max {
        let room = pace.batch_max - batch.len();
        match tokio::time::timeout_at(until, waiting.queue.recv_many(batch, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Waits for the word to stop; for ever, if the exporter was dropped without one.
async fn wait_for(stop: &mut oneshot::Receiver<Instant>) -> Instant {
    match stop.await {
        Ok(until) => until,
        Err(_) => std::future::pending().await,
    }
}

fn apart(batch: Vec<Item>) -> (Vec<SpanRecord>, Vec<GuestMetric>) {
    let (mut spans, mut metrics) = (Vec::new(), Vec::new());
    for item in batch {
        match item {
            Item::Span(span) => spans.push(*span),
            Item::Metric(metric) => metrics.push(*metric),
        }
    }
    (spans, metrics)
}

/// Sends batches, with retries.
pub(super) struct Sender {
    pub(super) collector: Collector,
    pub(super) traces: Uri,
    pub(super) metrics: Uri,
    pub(super) identity: Identity,
    pub(super) pace: Pace,
    pub(super) node: Arc<NodeMeter>,
}

impl Sender {
    async fn spans(&self, spans: Vec<SpanRecord>, open: Open<'_>, until: Option<Instant>) {
        if open.count == 0 {
            return;
        }
        let body = encode::spans(&self.identity, spans).encode_to_vec().into();
        if let Some(answer) = self.deliver(&self.traces, body, until).await {
            self.node.spans_exported.add(open.settle(rejected_spans(&answer)));
        }
    }

    async fn metrics(&self, metrics: Vec<GuestMetric>, open: Open<'_>, until: Option<Instant>) {
        if open.count == 0 {
            return;
        }
        let body = encode::metrics(&self.identity, metrics).encode_to_vec().into();
        if let Some(answer) = self.deliver(&self.metrics, body, until).await {
            self.node.points_exported.add(open.settle(rejected_points(&answer)));
        }
    }

    /// The collector's answer, or nothing when it was given up.
    async fn deliver(&self, uri: &Uri, body: Bytes, until: Option<Instant>) -> Option<Bytes> {
        let tries = self.tries(uri, body);
        let done = match until {
            None => tries.await,
            Some(until) => {
                tokio::time::timeout_at(until, tries).await.unwrap_or_else(|_| Err("the node stops".to_owned()))
            }
        };
        done.inspect_err(|why| {
            self.node.exports_failed.add(1);
            tracing::warn!(%uri, why, "export given up");
        })
        .ok()
    }

    async fn tries(&self, uri: &Uri, body: Bytes) -> Result<Bytes, String> {
        let mut pause = self.pace.backoff;
        let mut attempt = 1;
        loop {
            let (why, after) = match self.collector.post(uri, body.clone()).await {
                Answer::Taken(answer) => return Ok(answer),
                Answer::Never(why) => return Err(why),
                Answer::Later { why, after } => (why, after),
            };
            if attempt >= self.pace.tries_max {
                return Err(why);
            }
            tracing::debug!(%uri, why, attempt, "collector not reached, trying again");
            let wait = after.unwrap_or_else(|| jittered(pause)).min(self.pace.backoff_max);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(self.pace.backoff_max);
            attempt += 1;
        }
    }
}

/// What is not known to have arrived. Whatever ends it otherwise, a cut or a refusal, counts it as dropped.
struct Open<'a> {
    count: u64,
    dropped: &'a Count,
}

impl Open<'_> {
    /// The collector took all but `rejected`; says how many that are.
    fn settle(mut self, rejected: u64) -> u64 {
        let taken = self.count.saturating_sub(rejected);
        self.count -= taken;
        taken
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.dropped.add(self.count);
    }
}

fn rejected_spans(answer: &Bytes) -> u64 {
    let partial = ExportTraceServiceResponse::decode(answer.clone()).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

fn rejected_points(answer: &Bytes) -> u64 {
    let partial = ExportMetricsServiceResponse::decode(answer.clone()).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| u64::try_from(partial.rejected_data_points).unwrap_or(0))
}

/// Between half of `pause` and all of it, so that nodes that lost their collector together do not return together.
fn jittered(pause: Duration) -> Duration {
    let half = pause / 2;
    let share = RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64;
    half + half.mul_f64(share)
}

/// Which series each component has sent of late.
struct Series {
    since: Instant,
    hash: RandomState,
    seen: HashMap<Option<(Name, Name)>, HashSet<u64>>,
}

impl Series {
    fn new() -> Self {
        Self { since: Instant::now(), hash: RandomState::new(), seen: HashMap::new() }
    }

    /// Passes points of series already seen, and of new ones while a component is within its bound.
    fn within_bound(&mut self, mut metrics: Vec<GuestMetric>, node: &NodeMeter) -> Vec<GuestMetric> {
        if self.since.elapsed() > SERIES_WINDOW {
            *self = Self::new();
        }
        for metric in &mut metrics {
            let seen = self.seen.entry(metric.origin.component.clone()).or_default();
            let (name, hash) = (&metric.name, &self.hash);
            let dropped = metric.data.retain(|attributes| {
                let series = series_of(hash, name.as_str(), attributes);
                seen.contains(&series) || (seen.len() < SERIES_MAX && seen.insert(series))
            });
            node.points_dropped.add(dropped as u64);
        }
        metrics.retain(|metric| metric.data.points() > 0);
        metrics
    }
}

fn series_of(hash: &RandomState, name: &str, attributes: &Attributes) -> u64 {
    let mut hasher = hash.build_hasher();
    name.hash(&mut hasher);
    // The order of attributes does not matter, and they are few.
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    for (key, value) in sorted {
        key.as_str().hash(&mut hasher);
        hash_value(value, &mut hasher);
    }
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Bool(value) => value.hash(hasher),
        Value::I64(value) => value.hash(hasher),
        Value::F64(value) => value.to_bits().hash(hasher),
        Value::Text(text) => text.as_str().hash(hasher),
        Value::List(values) => values.iter().for_each(|value| hash_value(value, hasher)),
    }
}
