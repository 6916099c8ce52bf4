//! A figure with a bound of its own, where no peer publishes one: time to a first byte, memory of an idle application.

use std::fmt::Write as _;

use serde_json::{Value, json};

const LEAST: f64 = 0.01;

/// Smaller is better.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// The median of the rounds.
    pub(crate) value: f64,
    /// Half the distance between the lowest and the highest.
    pub(crate) spread: f64,
    /// What Weft promises to stay below, if it does.
    pub(crate) promised: Option<f64>,
}

impl Figure {
    pub(crate) fn of(name: impl Into<String>, unit: &'static str, values: &[f64], promised: Option<f64>) -> Self {
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        let value = crate::turns::median(values.iter().copied());
        Self { name: name.into(), unit, value, spread: (most - least) / 2.0, promised }
    }

    /// As a row: the peer is the promise, the ratio is bigger where ours is better.
    pub(crate) fn json(&self) -> Value {
        // A difference can be below nothing: that is as good as the least that is told apart.
        let ratio = self.promised.map(|promised| promised / self.value.max(LEAST));
        json!({"name": self.name, "unit": self.unit, "ours": self.value, "peer": self.promised, "ratio": ratio, "spread": self.spread})
    }
}

pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut text = String::from("| Figure | Measured | Promised |\n|---|---|---|\n");
    for f in figures {
        let promised = f.promised.map_or("–".into(), |most| format!("< {most} {}", f.unit));
        let _ = writeln!(text, "| `{}` | **{:.2}** ± {:.2} {} | {promised} |", f.name, f.value, f.spread, f.unit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_row_whose_peer_is_the_promise() {
        let figure = Figure::of("cold/hello-p2", "ms", &[1.0, 2.0, 1.5], Some(3.0));
        let expected =
            json!({"name": "cold/hello-p2", "unit": "ms", "ours": 1.5, "peer": 3.0, "ratio": 2.0, "spread": 0.5});
        assert_eq!(figure.json(), expected);
        assert!(markdown(&[figure]).ends_with("| `cold/hello-p2` | **1.50** ± 0.50 ms | < 3 ms |\n"));
    }
}
