//! What must be seen in a site's metrics, read from their text.

use std::collections::BTreeMap;

use serde::Serialize;

/// Of a counter its increase, of anything else its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    pub metric: String,
    pub labels: BTreeMap<String, String>,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// `weft_breaker_opens_total{upstream="legacy"} at least 1`.
    pub expected: String,
    pub measured: f64,
    pub met: bool,
}

impl Expectation {
    pub fn judge(&self, before: &str, after: &str) -> Seen {
        let value = |text| sum(text, &self.metric, &self.labels);
        let measured = match self.metric.ends_with("_total") {
            true => value(after) - value(before),
            false => value(after),
        };
        let met =
            self.at_least.is_none_or(|least| measured >= least) && self.at_most.is_none_or(|most| measured <= most);
        Seen { expected: self.to_string(), measured, met }
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.metric)?;
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if !labels.is_empty() {
            write!(f, "{{{}}}", labels.join(","))?;
        }
        let bounds = [("at least", self.at_least), ("at most", self.at_most)];
        bounds.iter().try_for_each(|(word, bound)| bound.map_or(Ok(()), |bound| write!(f, " {word} {bound}")))
    }
}

/// The sum of all series of this name that have these labels; 0 where there is none.
pub fn sum(metrics: &str, name: &str, labels: &BTreeMap<String, String>) -> f64 {
    metrics.lines().filter_map(|line| of_line(line, name, labels)).sum()
}

fn of_line(line: &str, name: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (within, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let has = |(name, value): (&String, &String)| {
        let pair = format!("{name}={value:?}");
        within.match_indices(&pair).any(|(at, _)| {
            let (before, after) = (&within[..at], &within[at + pair.len()..]);
            (before.is_empty() || before.ends_with(',')) && (after.is_empty() || after.starts_with(','))
        })
    };
    if labels.iter().all(has) { value.split(' ').next()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE a counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"1\",y=\"3\"} 4\na_total{ax=\"1\"} 50\n\
                        ab_total{x=\"1\"} 100\ng 7.5\n# EOF\n";

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn series_are_summed_by_their_labels() {
        assert_eq!(sum(TEXT, "a_total", &labels(&[("x", "1")])), 7.0);
        assert_eq!(sum(TEXT, "a_total", &labels(&[("x", "1"), ("y", "3")])), 4.0);
        assert_eq!(sum(TEXT, "a_total", &labels(&[])), 57.0);
        assert_eq!(sum(TEXT, "a_total", &labels(&[("x", "9")])), 0.0);
        assert_eq!((sum(TEXT, "g", &labels(&[])), sum(TEXT, "none", &labels(&[]))), (7.5, 0.0));
    }

    #[test]
    fn a_counter_is_judged_by_its_increase_and_a_gauge_by_its_value() {
        let of = |metric: &str, at_least, at_most| Expectation {
            metric: metric.to_owned(),
            labels: labels(&[]),
            at_least,
            at_most,
        };
        let later = TEXT.replace(" 50\n", " 52\n");
        let seen = of("a_total", Some(2.0), None).judge(TEXT, &later);
        assert!(seen.met && seen.measured == 2.0, "{seen:?}");
        assert_eq!(seen.expected, "a_total at least 2");
        assert!(!of("a_total", Some(3.0), None).judge(TEXT, &later).met);
        assert!(!of("g", None, Some(7.0)).judge(TEXT, TEXT).met);
        assert!(of("g", Some(7.0), Some(8.0)).judge("", TEXT).met);
    }
}
