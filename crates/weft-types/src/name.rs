//! Names: what people write in manifests to speak of applications, components, stores and routes.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A name: 1 to 63 characters, lower-case letters, digits and `-`, beginning with a letter and not ending in `-`.
///
/// The same rule as a DNS label, so that a name can be a host name, a folder and a metric label unchanged.
/// Cloning is one reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name: {reason}")]
pub struct NameError {
    pub text: String,
    pub reason: &'static str,
}

impl Name {
    pub const LENGTH_MAX: usize = 63;

    pub fn new(text: &str) -> Result<Self, NameError> {
        match fault_of(text) {
            None => Ok(Self(text.into())),
            Some(reason) => Err(NameError { text: text.to_owned(), reason }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest name to any text: what `weft up x.wasm` calls the application made from a bare file.
    pub fn nearest(text: &str) -> Self {
        let mut out = String::new();
        for c in text.chars() {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_lowercase() || (c.is_ascii_digit() && !out.is_empty()) {
                out.push(c);
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
        }
        out.truncate(Self::LENGTH_MAX);
        let trimmed = out.trim_end_matches('-');
        Self(if trimmed.is_empty() { "app" } else { trimmed }.into())
    }
}

fn fault_of(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some("it is empty");
    }
    if bytes.len() > Name::LENGTH_MAX {
        return Some("it is longer than 63 characters");
    }
    if !bytes[0].is_ascii_lowercase() {
        return Some("it must begin with a lower-case letter");
    }
    if bytes[bytes.len() - 1] == b'-' {
        return Some("it must not end in `-`");
    }
    if !bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-') {
        return Some("only lower-case letters, digits and `-` are allowed");
    }
    None
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for good in ["a", "orders", "a1", "order-placed", &"x".repeat(63)] {
            assert_eq!(Name::new(good).map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_a_name() {
        for text in ["", "Hello World.wasm", "--", "9lives", "ünïcode", &"ab-".repeat(40)] {
            let near = Name::nearest(text);
            assert_eq!(Name::new(near.as_str()), Ok(near.clone()), "{text} → {near}");
        }
        assert_eq!(Name::nearest("Hello World").as_str(), "hello-world");
    }
}
