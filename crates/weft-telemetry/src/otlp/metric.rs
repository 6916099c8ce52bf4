//! Guests' metrics as OTLP messages.

use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, exponential_histogram_data_point, metric, number_data_point,
};

use super::encode::attributes;
use crate::trace::{
    Buckets, ExponentialPoint, GuestMetric, HistogramPoint, MetricData, Number, NumberPoint, Temporality,
};

/// Start and time of every point, in nanoseconds since the epoch; a start of zero is unknown.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    at: u64,
}

pub(super) fn metric(metric: GuestMetric) -> otlp::Metric {
    let span = Span { start: metric.start.map_or(0, |start| start.as_nanos()), at: metric.at.as_nanos() };
    otlp::Metric {
        name: metric.name.as_str().to_owned(),
        description: metric.description.as_str().to_owned(),
        unit: metric.unit.as_str().to_owned(),
        metadata: Vec::new(),
        data: Some(data(metric.data, span)),
    }
}

fn data(data: MetricData, span: Span) -> metric::Data {
    match data {
        MetricData::Gauge(points) => metric::Data::Gauge(otlp::Gauge { data_points: each(points, span, number) }),
        MetricData::Sum { points, temporality: over, monotonic } => metric::Data::Sum(otlp::Sum {
            data_points: each(points, span, number),
            aggregation_temporality: temporality(over),
            is_monotonic: monotonic,
        }),
        MetricData::Histogram { points, temporality: over } => metric::Data::Histogram(otlp::Histogram {
            data_points: each(points, span, histogram),
            aggregation_temporality: temporality(over),
        }),
        MetricData::Exponential { points, temporality: over } => {
            metric::Data::ExponentialHistogram(otlp::ExponentialHistogram {
                data_points: each(points, span, exponential),
                aggregation_temporality: temporality(over),
            })
        }
    }
}

fn each<P, O>(points: Vec<P>, span: Span, encode: fn(P, Span) -> O) -> Vec<O> {
    points.into_iter().map(|point| encode(point, span)).collect()
}

fn temporality(temporality: Temporality) -> i32 {
    match temporality {
        Temporality::Delta => otlp::AggregationTemporality::Delta as i32,
        Temporality::Cumulative => otlp::AggregationTemporality::Cumulative as i32,
    }
}

fn number(point: NumberPoint, span: Span) -> otlp::NumberDataPoint {
    otlp::NumberDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: span.start,
        time_unix_nano: span.at,
        exemplars: Vec::new(),
        flags: 0,
        value: Some(match point.value {
            Number::I64(value) => number_data_point::Value::AsInt(value),
            Number::F64(value) => number_data_point::Value::AsDouble(value),
        }),
    }
}

fn histogram(point: HistogramPoint, span: Span) -> otlp::HistogramDataPoint {
    otlp::HistogramDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: span.start,
        time_unix_nano: span.at,
        count: point.count,
        sum: Some(point.sum),
        bucket_counts: point.counts,
        explicit_bounds: point.bounds,
        exemplars: Vec::new(),
        flags: 0,
        min: point.min,
        max: point.max,
    }
}

fn exponential(point: ExponentialPoint, span: Span) -> otlp::ExponentialHistogramDataPoint {
    otlp::ExponentialHistogramDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: span.start,
        time_unix_nano: span.at,
        count: point.count,
        sum: Some(point.sum),
        scale: point.scale,
        zero_count: point.zero_count,
        positive: Some(buckets(point.positive)),
        negative: Some(buckets(point.negative)),
        flags: 0,
        exemplars: Vec::new(),
        min: point.min,
        max: point.max,
        zero_threshold: point.zero_threshold,
    }
}

fn buckets(buckets: Buckets) -> exponential_histogram_data_point::Buckets {
    exponential_histogram_data_point::Buckets { offset: buckets.offset, bucket_counts: buckets.counts }
}
