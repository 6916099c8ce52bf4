//! Bounds on a policy's text, held before it is parsed: parser and evaluator recurse over what is nested.

use std::ops::Range;

/// Brackets and `if`s within each other.
const NESTED_MAX: usize = 32;
/// Operators, brackets and member accesses of one policy. Items of a list cost nothing.
const OPERATORS_MAX: usize = 500;
/// Policies of one file.
const POLICIES_MAX: usize = 1_000;

/// What is too much, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooMuch {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

#[derive(Default)]
struct Weight {
    nested: usize,
    ifs: usize,
    operators: usize,
    policies: usize,
}

/// Goes over the text once. Strings and comments weigh nothing.
pub(super) fn weigh(text: &str) -> Result<(), TooMuch> {
    let bytes = text.as_bytes();
    let (mut at, mut weight) = (0, Weight::default());
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'"' => string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |line| at + line)
            }
            b if b.is_ascii_alphabetic() || *b == b'_' => word(bytes, at),
            _ => at + 1,
        };
        weight.add(&bytes[at..end]);
        weight.check().map_err(|message| TooMuch { span: at..end, message })?;
        at = end;
    }
    Ok(())
}

fn string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn word(bytes: &[u8], from: usize) -> usize {
    let more = bytes[from..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    from + more
}

impl Weight {
    fn add(&mut self, token: &[u8]) {
        match token {
            b"(" | b"[" | b"{" => {
                self.nested += 1;
                self.operators += 1;
            }
            b")" | b"]" | b"}" => self.nested = self.nested.saturating_sub(1),
            b"if" => {
                self.ifs += 1;
                self.operators += 1;
            }
            b";" if self.nested == 0 => *self = Self { policies: self.policies + 1, ..Self::default() },
            b"&" | b"|" | b"+" | b"-" | b"*" | b"!" | b"." | b"<" | b">" | b"=" | b"in" | b"has" | b"like" | b"is" => {
                self.operators += 1;
            }
            _ => {}
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.nested + self.ifs > NESTED_MAX {
            return Err(format!("brackets and `if`s are nested more than {NESTED_MAX} deep"));
        }
        if self.operators > OPERATORS_MAX {
            return Err(format!("the policy has more than {OPERATORS_MAX} operators"));
        }
        if self.policies > POLICIES_MAX {
            return Err(format!("the file has more than {POLICIES_MAX} policies"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_recurse_is_bounded_and_what_would_not_is_free() {
        let roles = (0..5000).map(|n| format!("\"role (({n}\"")).collect::<Vec<_>>().join(", ");
        let list =
            format!("// {}\npermit(principal, action, resource) when {{ [{roles}].contains(\"a\") }};", "(".repeat(99));
        assert_eq!(weigh(&list), Ok(()));
        let many = "permit(principal, action, resource);\n".repeat(1000);
        assert_eq!(weigh(&many), Ok(()));
        let too = |text: &str| weigh(text).expect_err(text).message;
        assert!(too(&(many + "forbid(principal, action, resource);")).contains("1000 policies"));
        assert!(too(&"(".repeat(33)).contains("nested"));
        assert!(too(&"if a then b else ".repeat(33)).contains("nested"));
        assert!(too(&"a || ".repeat(300)).contains("operators"));
        assert!(too(&"a.".repeat(501)).contains("operators"));
        assert_eq!(weigh("\"never closed ((("), Ok(()), "for the parser to say");
        assert_eq!(weigh("\"ends in \\"), Ok(()));
    }
}
