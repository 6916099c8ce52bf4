//! "Did you mean": the nearest of the known words, if any is near.

/// The word that is at most a third of its length away, counting insertions, deletions, changes and swaps.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(text);
    let scored = known.into_iter().map(|word| (distance(&folded, &fold(word)), word));
    let near = scored.filter(|(away, word)| *away <= (word.chars().count().max(3) / 3).min(3));
    near.min_by_key(|(away, word)| (*away, *word)).map(|(_, word)| word)
}

/// `idleTimeout` and `idle_timeout` are `idle-timeout` to whoever types them. Very long words are cut.
fn fold(text: &str) -> Vec<char> {
    text.chars().take(64).filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["timeout", "idle-timeout", "component", "store", "route", "to"];
        for (typed, wanted) in [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("idle_timeout", Some("idle-timeout")),
            ("idleTimeout", Some("idle-timeout")),
            ("components", Some("component")),
            ("routes", Some("route")),
            ("database", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, known), wanted, "{typed}");
        }
    }
}
