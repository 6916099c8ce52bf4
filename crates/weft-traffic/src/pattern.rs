//! A route's path as written, parsed: literals, `:param`s, and perhaps a final `*`.

use crate::path;

/// More than any real path; bounds the work of a lookup.
pub(crate) const SEGMENTS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) parts: Vec<Part>,
    /// Ends in `*`: matches any remainder, the empty one too, so that `/assets/*` serves `/assets`.
    pub(crate) rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Decoded, so that `/caf%C3%A9` and `/café` are one route.
    Literal(Box<[u8]>),
    Param(Box<str>),
}

impl Pattern {
    /// The error is what is wrong with the path, as the end of a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(tail) = text.strip_prefix('/') else {
            return Err("it must begin with `/`".to_owned());
        };
        if text.contains(['?', '#']) {
            return Err("a query or fragment is never part of a route's path".to_owned());
        }
        path::check(text).map_err(str::to_owned)?;
        let mut segments: Vec<&str> = tail.split('/').collect();
        let rest = segments.pop_if(|last| *last == "*").is_some();
        if segments.len() > SEGMENTS_MAX {
            return Err(format!("it has more than {SEGMENTS_MAX} segments"));
        }
        let mut parts = Vec::with_capacity(segments.len());
        for segment in segments {
            let part = Part::parse(segment)?;
            if parts.contains(&part) && matches!(part, Part::Param(_)) {
                return Err(format!("`{segment}` occurs twice"));
            }
            parts.push(part);
        }
        Ok(Self { parts, rest })
    }

    /// Whether only what weft answers itself may be here.
    pub(crate) fn is_reserved(&self) -> bool {
        self.parts.first().is_some_and(|part| matches!(part, Part::Literal(text) if **text == *b".weft"))
    }

    pub(crate) fn params(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Param(name) => Some(&**name),
            Part::Literal(_) => None,
        })
    }
}

impl Part {
    fn parse(segment: &str) -> Result<Self, String> {
        if let Some(name) = segment.strip_prefix(':') {
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            return match !name.is_empty() && name.bytes().all(good) {
                true => Ok(Self::Param(name.into())),
                false => Err(format!("`{segment}` needs a name of letters, digits, `-` and `_` after the `:`")),
            };
        }
        if segment.contains('*') {
            return Err("`*` may only be the whole last segment".to_owned());
        }
        if segment.contains(['{', '}']) {
            return Err(format!("`{segment}`: a parameter is written `:name` here"));
        }
        Ok(Self::Literal(path::decode(segment.as_bytes()).into_vec().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_patterns() {
        let parsed = Pattern::parse("/a/:b/*").expect("good");
        assert_eq!(parsed.parts, [Part::Literal((*b"a").into()), Part::Param("b".into())]);
        assert!(parsed.rest);
        assert_eq!(Pattern::parse("/").expect("good").parts, [Part::Literal((*b"").into())]);
        assert_eq!(Pattern::parse("/*").expect("good"), Pattern { parts: vec![], rest: true });
        assert_eq!(Pattern::parse("/caf%C3%A9"), Pattern::parse("/café"));
    }

    #[test]
    fn bad_patterns_say_why() {
        let cases = [
            ("orders", "begin with `/`"),
            ("/a?b", "query"),
            ("/*/a", "last segment"),
            ("/a*", "last segment"),
            ("/:", "needs a name"),
            ("/:a/:a", "twice"),
            ("/{id}", "written `:name`"),
            ("/a/../b", "dot-segment"),
            ("/%zz", "invalid escape"),
        ];
        for (text, why) in cases {
            let error = Pattern::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
