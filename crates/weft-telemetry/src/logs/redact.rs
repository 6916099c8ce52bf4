//! Secrets that must not be seen in a line, whoever printed them.

use zeroize::Zeroizing;

/// What a secret becomes.
const MASK: &str = "***";
/// Shorter values occur by chance in ordinary text, and masking them would only tell where they are.
const SECRET_BYTES_MIN: usize = 4;

/// Looked at beyond a bound, in bytes, so that a secret which straddles it is still recognised.
pub(super) const LOOK_MORE: usize = 4 << 10;
/// What others log of a guest's own words, in bytes.
const CLEAN_BYTES_MAX: usize = 4 << 10;

/// The secret values that one component was given. Empty, it costs one comparison a line.
#[derive(Default)]
pub struct Redactor {
    /// Longest first: a secret that holds another is masked whole.
    secrets: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// Values shorter than 4 bytes are left out. A value of several lines is masked line by line too, since that is
    /// how it would be printed; and as `{:?}` would quote it, since that is how errors are made.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<_> = values
            .into_iter()
            .flat_map(|value| std::iter::once(value).chain(value.lines()))
            .map(str::trim)
            .filter(|value| value.len() >= SECRET_BYTES_MIN)
            .flat_map(|value| [value.to_owned(), value.escape_debug().to_string(), value.escape_default().to_string()])
            .map(Zeroizing::new)
            .collect();
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// Masks every secret in `text`.
    pub(crate) fn redact(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }

    /// A guest's own words, fit for a line that others log: no secret, nothing that could begin a line or speak to a
    /// terminal, at most 4 KiB and a note.
    pub fn clean(&self, text: &str) -> String {
        let bounded = self.bounded(text, CLEAN_BYTES_MAX);
        let mut out = String::with_capacity(bounded.len());
        super::line::plain_text(&bounded, &mut out);
        out
    }

    /// At most `max` bytes of `text` and a note, with no secret nor the beginning of one.
    pub(super) fn bounded(&self, text: &str, max: usize) -> String {
        let look = text.floor_char_boundary(max + LOOK_MORE);
        let mut out = text[..look].to_owned();
        self.redact(&mut out);
        if look < text.len() {
            self.redact_cut(&mut out);
        }
        if out.len() > max || look < text.len() {
            out.truncate(out.floor_char_boundary(max));
            out.push_str("… (cut)");
        }
        out
    }

    /// Masks the beginning of a secret that the end of a cut `text` may still show.
    pub(crate) fn redact_cut(&self, text: &mut String) {
        let longest = self.secrets.iter().filter_map(|secret| begun_at_end(text, secret)).max();
        if let Some(bytes) = longest {
            text.truncate(text.len() - bytes);
            text.push_str(MASK);
        }
    }
}

/// Bytes of the longest proper beginning of `secret` that `text` ends with.
fn begun_at_end(text: &str, secret: &str) -> Option<usize> {
    let cuts = secret.char_indices().map(|(at, _)| at).skip(1);
    cuts.filter(|at| text.ends_with(&secret[..*at])).max()
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As they are looked for: the ways to quote one are counted as well.
        write!(f, "Redactor({} texts)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secrets: &[&str], text: &str) -> String {
        let mut text = text.to_owned();
        Redactor::new(secrets.iter().copied()).redact(&mut text);
        text
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        assert_eq!(redacted(&["hunter22"], "a hunter22 b hunter22"), "a *** b ***");
        assert_eq!(redacted(&["hunter", "hunter22"], "hunter22 hunter"), "*** ***", "the longer one first");
        assert_eq!(redacted(&["abc", ""], "abc"), "abc", "too short to be told from text");
        assert_eq!(redacted(&[], "abc"), "abc");
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_in_each() {
        let key = "-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n";
        assert_eq!(redacted(&[key], "key: MIIEvQIBADANBg"), "key: ***");
        assert_eq!(redacted(&[key], key), "***\n");
    }

    #[test]
    fn a_cut_line_does_not_show_how_a_secret_begins() {
        let redactor = Redactor::new(["hunter22-ünsafe"]);
        for cut in ["h", "hunter2", "hunter22-ü"] {
            let mut text = format!("value {cut}");
            redactor.redact_cut(&mut text);
            assert_eq!(text, "value ***", "{cut}");
        }
        let mut text = "value hunter9".to_owned();
        redactor.redact_cut(&mut text);
        assert_eq!(text, "value hunter9");
    }

    #[test]
    fn a_guests_words_are_clean() {
        let redactor = Redactor::new(["hunter22\"quoted\"", "zwölf Boxkämpfer"]);
        let said = format!("panicked at {:?}: \u{1b}[31mred\nline zwölf Boxkämpfer", "hunter22\"quoted\"");
        assert_eq!(redactor.clean(&said), r#"panicked at "***": \u{1b}[31mred\nline ***"#);
        let escaped = "zwölf Boxkämpfer".escape_default().to_string();
        assert_eq!(redactor.clean(&escaped), "***");
        let long = redactor.clean(&"hunter22\"quoted\"".repeat(10_000));
        assert!(long.len() < CLEAN_BYTES_MAX + 20 && !long.contains("hunter"), "{}", long.len());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Redactor::new(["hunter22"])), "Redactor(1 texts)");
    }
}
