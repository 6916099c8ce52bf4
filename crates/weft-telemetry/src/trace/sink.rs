//! Where spans go: nowhere, or onto a bounded queue that the exporter empties.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::mpsc;
use weft_types::{Trace, TraceId};

use super::{metric::GuestMetric, span::SpanRecord};
use crate::metrics::NodeMeter;

/// What waits for the exporter: so many, and so many bytes.
const ITEMS_MAX: usize = 4096;
const BYTES_MAX: usize = 16 << 20;
/// A trace id's lower 56 bits are random: what W3C promises, and OpenTelemetry samples by.
const RANDOM_BITS: u32 = 56;

/// Takes spans without ever waiting. Cloning is one reference count.
#[derive(Debug, Clone, Default)]
pub struct SpanSink(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Roots whose trace id has random bits below this are sampled.
    threshold: u64,
    queue: mpsc::Sender<Item>,
    bytes: Arc<AtomicUsize>,
    node: Arc<NodeMeter>,
}

/// What the exporter is given. Boxed: a queue of pointers is small while it is empty.
#[derive(Debug)]
pub(crate) enum Item {
    Span(Box<SpanRecord>),
    Metric(Box<GuestMetric>),
}

impl Item {
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Span(span) => span.weight(),
            Self::Metric(metric) => metric.weight(),
        }
    }
}

/// The exporter's end of the queue. What is taken counts against the bound until it is [`Self::done`].
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) queue: mpsc::Receiver<Item>,
    bytes: Arc<AtomicUsize>,
}

impl Waiting {
    pub(crate) fn done(&self, weight: usize) {
        self.bytes.fetch_sub(weight, Relaxed);
    }
}

impl SpanSink {
    /// No endpoint: nothing is sampled, nothing is wanted, nothing is kept.
    pub fn off() -> Self {
        Self(None)
    }

    /// A sink that samples `ratio` of the traces that begin here, and the end from which they are taken.
    pub(crate) fn new(ratio: f64, node: Arc<NodeMeter>) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(ITEMS_MAX);
        let bytes = Arc::new(AtomicUsize::new(0));
        let threshold = (ratio.clamp(0.0, 1.0) * (1u64 << RANDOM_BITS) as f64) as u64;
        let inner = Inner { threshold, queue, bytes: Arc::clone(&bytes), node };
        (Self(Some(Arc::new(inner))), Waiting { queue: waiting, bytes })
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Decides for a trace that begins here: the flags for its [`Trace`]. A trace that came in keeps its own.
    ///
    /// `id` must be random; the decision follows from it, so that every node decides alike.
    pub fn root_flags(&self, id: TraceId) -> u8 {
        let random = id.0 as u64 & ((1 << RANDOM_BITS) - 1);
        match &self.0 {
            Some(inner) if random < inner.threshold => Trace::SAMPLED | Trace::RANDOM,
            _ => Trace::RANDOM,
        }
    }

    /// Whether a span of this trace is worth making: the caller's decision holds.
    pub fn wants(&self, trace: &Trace) -> bool {
        self.0.is_some() && trace.sampled()
    }

    /// Puts a finished span, cut to its bounds; drops and counts it where the queue is full.
    pub fn emit(&self, mut span: SpanRecord) {
        let Some(inner) = &self.0 else { return };
        span.bound();
        if !inner.put(Item::Span(Box::new(span))) {
            inner.node.spans_dropped.add(1);
        }
    }

    /// Puts a guest's metric, cut to its bounds; drops and counts its points where the queue is full.
    pub fn emit_metric(&self, mut metric: GuestMetric) {
        let Some(inner) = &self.0 else { return };
        let dropped = metric.bound();
        let left = metric.data.points();
        let put = inner.put(Item::Metric(Box::new(metric)));
        inner.node.points_dropped.add((dropped + if put { 0 } else { left }) as u64);
    }
}

impl Inner {
    fn put(&self, item: Item) -> bool {
        let weight = item.weight();
        let before = self.bytes.fetch_add(weight, Relaxed);
        let kept = before + weight <= BYTES_MAX && self.queue.try_send(item).is_ok();
        if !kept {
            self.bytes.fetch_sub(weight, Relaxed);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use weft_types::{SpanId, Timestamp};

    use super::*;
    use crate::trace::{Kind, Value};

    fn span(bytes: usize) -> SpanRecord {
        let trace = Trace { trace: TraceId(1), span: SpanId(2), flags: Trace::SAMPLED, ..Trace::default() };
        let mut span = SpanRecord::new("GET /", Kind::Server, trace, Timestamp::ZERO, Timestamp::ZERO);
        let one = || ("key".into(), Value::from("x".repeat(4000)));
        span.attributes = (0..bytes / 4000).map(|_| one()).collect();
        span
    }

    fn sink(ratio: f64) -> (SpanSink, Waiting, Arc<NodeMeter>) {
        let node = Arc::new(NodeMeter::new());
        let (sink, waiting) = SpanSink::new(ratio, Arc::clone(&node));
        (sink, waiting, node)
    }

    #[test]
    fn without_an_endpoint_nothing_is_wanted() {
        let sink = SpanSink::off();
        assert_eq!(sink.root_flags(TraceId(0)), Trace::RANDOM);
        let sampled = Trace { flags: Trace::SAMPLED, ..Trace::default() };
        assert!(!sink.wants(&sampled));
        sink.emit(span(0));
    }

    #[test]
    fn a_callers_decision_holds_and_roots_follow_the_ratio() {
        let (some, ..) = sink(0.1);
        assert!(some.wants(&Trace { flags: Trace::SAMPLED, ..Trace::default() }));
        assert!(!some.wants(&Trace { flags: Trace::RANDOM, ..Trace::default() }));
        let step = (1u64 << RANDOM_BITS) / 1000;
        let ids = || (0..1000u64).map(|at| TraceId(u128::from(at * step + step / 2) | 0xff << 60));
        let sampled = |sink: &SpanSink| ids().filter(|id| sink.root_flags(*id) & Trace::SAMPLED != 0).count();
        assert_eq!(sampled(&some), 100);
        assert_eq!((sampled(&sink(0.0).0), sampled(&sink(1.0).0)), (0, 1000));
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (sink, waiting, node) = sink(1.0);
        (0..ITEMS_MAX + 5).for_each(|_| sink.emit(span(0)));
        assert_eq!((waiting.queue.len(), node.spans_dropped.get()), (ITEMS_MAX, 5));
    }

    #[test]
    fn large_spans_fill_the_queue_by_their_bytes() {
        let (sink, mut waiting, node) = sink(1.0);
        (0..100).for_each(|_| sink.emit(span(400_000)));
        let (kept, dropped) = (waiting.queue.len(), node.spans_dropped.get());
        assert_eq!(kept as u64 + dropped, 100);
        assert!((35..42).contains(&kept), "{kept}");
        let item = waiting.queue.try_recv().unwrap();
        sink.emit(span(400_000));
        assert_eq!(node.spans_dropped.get(), dropped + 1, "taken, but still in memory");
        waiting.done(item.weight());
        sink.emit(span(400_000));
        assert_eq!(node.spans_dropped.get(), dropped + 1, "room is given back");
    }
}
