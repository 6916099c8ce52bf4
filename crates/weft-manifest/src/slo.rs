//! Service level objectives, as an author writes them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weft_traffic::{Ratio, slo::Objective};

use crate::values::{Share, Time};

/// What is promised of a component's calls. At least one of `availability` and `latency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.slo"))]
pub struct Slo {
    /// This share of calls is answered without a failure of the component or the platform. Calls that are shed count as
    /// failures, those that the caller got wrong do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["99.9%"]))]
    pub availability: Option<Share>,
    /// So long does a call take at most, from its admission to the last byte, for this share of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The time over which the budget of bad calls is given, from an hour to 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "28d"))]
    pub window: Option<Time>,
}

/// One bound on a percentile, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-table" = "component.NAME.slo.latency"))]
pub struct Latency {
    /// Half of all calls take at most this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<Time>,
    /// 99.9 % of all calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<Time>,
}

const WINDOW_MIN: Duration = Duration::from_secs(3600);
const WINDOW_MAX: Duration = Duration::from_secs(90 * 86_400);

impl Slo {
    /// Each objective under its name: `availability`, `latency-p99`.
    pub fn objectives(&self) -> Vec<(String, Objective)> {
        let window = self.window.map_or(Objective::WINDOW, |window| window.0);
        let objective = |target, latency| Objective { window, latency, ..Objective::new(target) };
        let available = self.availability.map(|share| ("availability".to_owned(), objective(share.0, None)));
        let latency = self.latency.unwrap_or_default();
        let percentiles = [
            ("p50", 500_000, latency.p50),
            ("p90", 900_000, latency.p90),
            ("p95", 950_000, latency.p95),
            ("p99", 990_000, latency.p99),
            ("p999", 999_000, latency.p999),
        ];
        let slow = percentiles.into_iter().filter_map(|(name, millionths, most)| {
            Some((format!("latency-{name}"), objective(Ratio::millionths(millionths), Some(most?.0))))
        });
        available.into_iter().chain(slow).collect()
    }

    /// What is wrong with it as a whole, and what to do: the key it is about, or the table.
    pub(crate) fn fault(&self) -> Option<(Option<&'static str>, String, &'static str)> {
        if self.objectives().is_empty() {
            let message = "it promises nothing".to_owned();
            return Some((None, message, "write `availability = \"99.9%\"` or `latency = { p99 = \"200ms\" }`"));
        }
        let share = self.availability.map(|share| share.0.as_millionths());
        if share.is_some_and(|share| !(500_000..1_000_000).contains(&share)) {
            let message = "an objective is at least 50%, and less than 100%: all that is left is the budget".to_owned();
            return Some((Some("availability"), message, "99.9% allows one bad call of a thousand"));
        }
        let window = self.window.map(|window| window.0);
        let outside = window.is_some_and(|window| !(WINDOW_MIN..=WINDOW_MAX).contains(&window));
        outside.then(|| (Some("window"), "a window is from 1h to 90d".to_owned(), "28d is usual"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_named_by_what_they_promise() {
        let slo = Slo {
            availability: Some(Share("99.9%".parse().expect("a share"))),
            latency: Some(Latency { p99: Some(Time(Duration::from_millis(200))), ..Latency::default() }),
            window: None,
        };
        let [(available, of), (slow, by)] = &slo.objectives()[..] else { panic!("two") };
        assert_eq!((available.as_str(), of.target, of.latency), ("availability", Ratio::millionths(999_000), None));
        let wanted = (Ratio::percent(99), Some(Duration::from_millis(200)));
        assert_eq!((slow.as_str(), (by.target, by.latency)), ("latency-p99", wanted));
        assert!(slo.fault().is_none() && Slo::default().fault().is_some());
    }
}
