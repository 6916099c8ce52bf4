//! What guests measure by themselves (`wasi:otel`), on its way to the collector.

use weft_types::Timestamp;

use super::{
    span::Origin,
    value::{Attributes, Text, bound, weight},
};

const NAME_BYTES_MAX: usize = 256;
/// Points of one metric in one export, and buckets of one point.
const POINTS_MAX: usize = 1000;
const BUCKETS_MAX: usize = 512;

/// One metric of a guest with its points.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestMetric {
    pub origin: Origin,
    pub name: Text,
    pub description: Text,
    pub unit: Text,
    pub start: Option<Timestamp>,
    pub at: Timestamp,
    pub data: MetricData,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MetricData {
    Gauge(Vec<NumberPoint>),
    Sum { points: Vec<NumberPoint>, temporality: Temporality, monotonic: bool },
    Histogram { points: Vec<HistogramPoint>, temporality: Temporality },
    Exponential { points: Vec<ExponentialPoint>, temporality: Temporality },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    Delta,
    Cumulative,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    I64(i64),
    F64(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct NumberPoint {
    pub attributes: Attributes,
    pub value: Number,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistogramPoint {
    pub attributes: Attributes,
    pub count: u64,
    pub sum: f64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Ascending; one count more than bounds.
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialPoint {
    pub attributes: Attributes,
    pub count: u64,
    pub sum: f64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

impl MetricData {
    pub(crate) fn points(&self) -> usize {
        match self {
            Self::Gauge(points) | Self::Sum { points, .. } => points.len(),
            Self::Histogram { points, .. } => points.len(),
            Self::Exponential { points, .. } => points.len(),
        }
    }

    /// Keeps the points whose attributes `keep` accepts; says how many it dropped.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Attributes) -> bool) -> usize {
        let before = self.points();
        match self {
            Self::Gauge(points) | Self::Sum { points, .. } => points.retain(|point| keep(&point.attributes)),
            Self::Histogram { points, .. } => points.retain(|point| keep(&point.attributes)),
            Self::Exponential { points, .. } => points.retain(|point| keep(&point.attributes)),
        }
        before - self.points()
    }

    fn each_attributes(&mut self) -> Vec<&mut Attributes> {
        match self {
            Self::Gauge(points) | Self::Sum { points, .. } => points.iter_mut().map(|p| &mut p.attributes).collect(),
            Self::Histogram { points, .. } => points.iter_mut().map(|p| &mut p.attributes).collect(),
            Self::Exponential { points, .. } => points.iter_mut().map(|p| &mut p.attributes).collect(),
        }
    }

    /// Points past the bound, and those with more buckets than a histogram can need, are dropped and counted.
    fn bound(&mut self) -> usize {
        let before = self.points();
        match self {
            Self::Gauge(points) | Self::Sum { points, .. } => points.truncate(POINTS_MAX),
            Self::Histogram { points, .. } => {
                points.truncate(POINTS_MAX);
                points.retain(|p| p.bounds.len() < BUCKETS_MAX && p.counts.len() <= BUCKETS_MAX);
            }
            Self::Exponential { points, .. } => {
                points.truncate(POINTS_MAX);
                points.retain(|p| p.positive.counts.len() <= BUCKETS_MAX && p.negative.counts.len() <= BUCKETS_MAX);
            }
        }
        self.each_attributes().into_iter().for_each(|attributes| _ = bound(attributes));
        before - self.points()
    }

    fn weight(&self) -> usize {
        match self {
            Self::Gauge(points) | Self::Sum { points, .. } => {
                points.iter().map(|p| size_of::<NumberPoint>() + weight(&p.attributes)).sum()
            }
            Self::Histogram { points, .. } => points
                .iter()
                .map(|p| size_of::<HistogramPoint>() + weight(&p.attributes) + 8 * (p.bounds.len() + p.counts.len()))
                .sum(),
            Self::Exponential { points, .. } => points
                .iter()
                .map(|p| (p, 8 * (p.positive.counts.len() + p.negative.counts.len())))
                .map(|(p, buckets)| size_of::<ExponentialPoint>() + weight(&p.attributes) + buckets)
                .sum(),
        }
    }
}

impl GuestMetric {
    /// Cuts what is over the bounds; says how many points were dropped.
    pub(crate) fn bound(&mut self) -> usize {
        for text in [&mut self.name, &mut self.description, &mut self.unit] {
            text.bound(NAME_BYTES_MAX);
        }
        self.data.bound()
    }

    /// Bytes that it holds in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + 3 * NAME_BYTES_MAX + self.data.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_past_the_bounds_are_dropped_and_counted() {
        let point = NumberPoint { attributes: vec![], value: Number::I64(1) };
        let mut gauge = MetricData::Gauge(vec![point; 1500]);
        assert_eq!((gauge.bound(), gauge.points()), (500, 1000));
        let point = |buckets| HistogramPoint {
            attributes: vec![],
            count: 1,
            sum: 1.0,
            min: None,
            max: None,
            bounds: vec![1.0; buckets - 1],
            counts: vec![1; buckets],
        };
        let points = vec![point(10), point(1_000_000)];
        let mut histogram = MetricData::Histogram { points, temporality: Temporality::Delta };
        assert_eq!((histogram.bound(), histogram.points()), (1, 1));
    }
}
