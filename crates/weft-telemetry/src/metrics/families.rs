//! One metric family at a time: its description, and a value for each set of labels.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet},
    metrics::MetricType,
};

use super::latency::Reading;

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

pub(super) fn info<const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    labels: Labels<'_, N>,
) -> fmt::Result {
    out.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
}

pub(super) fn one_counter(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeCounterValue,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    family.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

pub(super) fn counters<'a, const N: usize, V: EncodeCounterValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels<'a, N>, V)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
    }
    Ok(())
}

pub(super) fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    out.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

pub(super) fn gauges<'a, const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels<'a, N>, f64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

pub(super) fn histograms<'a, const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels<'a, N>, Reading)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, reading) in rows {
        let mut one = family.encode_family(&labels)?;
        one.encode_histogram::<NoLabelSet>(reading.sum, reading.count, &reading.buckets, None)?;
    }
    Ok(())
}
