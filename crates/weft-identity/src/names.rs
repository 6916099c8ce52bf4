//! Patterns of names in certificates: `spiffe://example.org/{tenant}/*`.
//!
//! `*` stands for any text that is not empty, `{tenant}` for one segment: text without `/` and `.`. Each is there
//! once at most, so that matching takes no longer than the square of a name's length.

use std::str::FromStr;

const TENANT: &str = "{tenant}";

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern of names: `*` and `{{tenant}}` may each stand there once, and no other braces")]
pub struct PatternError(pub String);

/// A pattern that a whole name fits or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Any,
    Tenant,
}

/// A name that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fits<'a> {
    pub(crate) tenant: Option<&'a str>,
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError(text.to_owned());
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['*', '{', '}']) {
            let (before, special) = rest.split_at(at);
            let (part, after) = match (special.strip_prefix('*'), special.strip_prefix(TENANT)) {
                (Some(after), _) => (Part::Any, after),
                (_, Some(after)) => (Part::Tenant, after),
                (None, None) => return Err(wrong()),
            };
            if parts.contains(&part) {
                return Err(wrong());
            }
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(part);
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        if parts.is_empty() { Err(wrong()) } else { Ok(Self(parts)) }
    }
}

impl NamePattern {
    pub(crate) fn fits<'a>(&self, name: &'a str) -> Option<Fits<'a>> {
        fits(&self.0, name, None)
    }
}

fn fits<'a>(parts: &[Part], name: &'a str, tenant: Option<&'a str>) -> Option<Fits<'a>> {
    let Some((part, rest)) = parts.split_first() else { return name.is_empty().then_some(Fits { tenant }) };
    let ends = |text: &'a str| text.char_indices().map(|(at, one)| at + one.len_utf8());
    match part {
        Part::Text(text) => fits(rest, name.strip_prefix(text.as_str())?, tenant),
        Part::Any => ends(name).find_map(|end| fits(rest, &name[end..], tenant)),
        Part::Tenant => {
            let segment = name.find(['/', '.']).unwrap_or(name.len());
            ends(&name[..segment]).find_map(|end| fits(rest, &name[end..], Some(&name[..end])))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_fits_or_none_of_it() {
        let table = [
            ("spiffe://example.org/orders", "spiffe://example.org/orders", Some(None)),
            ("spiffe://example.org/orders", "spiffe://example.org/orders2", None),
            ("spiffe://example.org/*", "spiffe://example.org/a/b", Some(None)),
            ("spiffe://example.org/*", "spiffe://example.org/", None),
            ("spiffe://example.org/*", "spiffe://example.org.evil/a", None),
            ("spiffe://example.org/{tenant}/*", "spiffe://example.org/acme/a/b", Some(Some("acme"))),
            ("spiffe://example.org/{tenant}/api", "spiffe://example.org/acme/x/api", None),
            ("{tenant}.devices.example", "acme.devices.example", Some(Some("acme"))),
            ("{tenant}.devices.example", "a.b.devices.example", None),
            ("*.{tenant}.example", "a.b.acme.example", Some(Some("acme"))),
            ("*", "é", Some(None)),
            ("*", "", None),
            ("pre{tenant}fix", "preacmefix", Some(Some("acme"))),
        ];
        for (pattern, name, wanted) in table {
            let pattern: NamePattern = pattern.parse().expect("a pattern");
            assert_eq!(pattern.fits(name).map(|fits| fits.tenant), wanted, "{pattern:?} {name}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_no_pattern() {
        for bad in ["", "**", "*/*", "{tenant}/{tenant}", "{org}", "a}", "{tenant", "{}"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad}");
        }
    }
}
