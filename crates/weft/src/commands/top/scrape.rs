//! What `/metrics` says, read as far as it is needed.

use std::collections::BTreeMap;

/// Series by name. Larger answers than the admin client reads do not come here.
#[derive(Debug, Default)]
pub(super) struct Scrape(BTreeMap<String, Vec<Series>>);

#[derive(Debug, PartialEq)]
pub(super) struct Series {
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Series {
    /// By what it is known again.
    pub(super) fn key(&self) -> &[(String, String)] {
        &self.labels
    }

    /// Empty where there is no such label.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Scrape {
    /// `None`: a line is none of OpenMetrics.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut all = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, series) = series(line)?;
            all.0.entry(name).or_default().push(series);
        }
        Some(all)
    }

    pub(super) fn all(&self, name: &str) -> &[Series] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum over all series of a name.
    pub(super) fn total(&self, name: &str) -> f64 {
        self.all(name).iter().map(|series| series.value).sum()
    }
}

fn series(line: &str) -> Option<(String, Series)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    // An exemplar or a time may follow.
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), Series { labels, value }))
}

/// A label's value, and what comes after its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_whatever_their_labels_hold() {
        let text = "# HELP a b\na{x=\"1\",y=\"q\\\"}, \\\\ \\n\"} 2.5 # {trace_id=\"7\"} 1\nb 3\na{} 1e3\n# EOF\n";
        let read = Scrape::read(text).expect("metrics");
        assert_eq!(read.all("a").len(), 2);
        assert_eq!((read.all("a")[0].label("y"), read.all("a")[0].label("z")), ("q\"}, \\ \n", ""));
        assert_eq!((read.total("a"), read.total("b"), read.total("c")), (1002.5, 3.0, 0.0));
        for odd in ["<html>", "a{x=\"1} 2", "a{x=1} 2", "a many"] {
            assert!(Scrape::read(odd).is_none(), "{odd}");
        }
    }
}
