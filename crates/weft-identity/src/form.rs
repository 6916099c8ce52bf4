//! `application/x-www-form-urlencoded`, as queries and bodies of a login have it.

/// All but the unreserved characters of RFC 3986 is escaped.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(crate) fn pairs(all: &[(&str, &str)]) -> String {
    all.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

/// The one value of a name; an error where it is there twice or cannot be read.
pub(crate) fn only(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut values = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => decode(value).map(Some).ok_or(()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn decode(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?
            }
            plain => *plain,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_again_and_what_is_there_twice_is_not() {
        let text = "https://a.example/?x=1&y=é +%";
        let query = pairs(&[("a", text), ("b", "")]);
        assert_eq!(only(&query, "a"), Ok(Some(text.to_owned())));
        assert_eq!((only(&query, "b"), only(&query, "c")), (Ok(Some(String::new())), Ok(None)));
        assert_eq!(only("a=x+y", "a"), Ok(Some("x y".to_owned())));
        for bad in ["a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1"] {
            assert_eq!(only(bad, "a"), Err(()), "{bad}");
        }
    }
}
