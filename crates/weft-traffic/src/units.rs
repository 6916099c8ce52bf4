//! Quantities as people write them in manifests: `30s`, `64MiB`. Reading and writing, so that both agree.

use std::time::Duration;

/// Units from the longest; the value is in nanoseconds.
const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is no quantity, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(pub String);

/// Reads `30s`, `1500ms`, `7d`: a whole number and one unit. Zero and more than 36,500 days are refused.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let nanos = parse(text, &TIMES, "a duration is a whole number and `ms`, `s`, `m`, `h` or `d`, such as `30s`")?;
    match nanos {
        0 => Err(UnitError("a duration of zero is never meant; leave the key out for the default".to_owned())),
        _ if nanos > 36_500 * TIMES[0].1 => Err(UnitError("a duration is at most 36500 days".to_owned())),
        _ => Ok(Duration::from_nanos(nanos)),
    }
}

/// Reads `64MiB`, `512KiB`, `100B`: a whole number and one unit, all of them powers of two.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    if let Some(number) = ["KB", "MB", "GB", "TB", "kB", "K", "M", "G", "T"].iter().find_map(|u| text.strip_suffix(u)) {
        let unit = &text[number.len()..];
        let right = format!("{}{}iB", number.trim(), unit[..1].to_ascii_uppercase());
        return Err(UnitError(format!("`{unit}` is not a unit here; write `{right}`")));
    }
    parse(text, &SIZES, "a size is a whole number and `B`, `KiB`, `MiB` or `GiB`, such as `64MiB`")
}

fn parse(text: &str, units: &[(&str, u64)], shape: &str) -> Result<u64, UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let known = units.iter().find(|(name, _)| *name == unit);
    let (Some((_, scale)), false) = (known, number.is_empty()) else {
        return Err(UnitError(shape.to_owned()));
    };
    let product = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
    product.ok_or_else(|| UnitError("the number is too large".to_owned()))
}

/// Writes a duration in its largest whole unit: what [`parse_duration`] reads back.
pub fn format_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let whole = TIMES.iter().find(|(_, scale)| nanos != 0 && nanos.is_multiple_of(*scale));
    let (unit, scale) = whole.unwrap_or(&("s", 1_000_000_000));
    format!("{}{unit}", nanos / scale)
}

/// Writes a size in its largest whole unit: what [`parse_bytes`] reads back.
pub fn format_bytes(bytes: u64) -> String {
    let whole = SIZES.iter().find(|(_, scale)| bytes != 0 && bytes.is_multiple_of(*scale));
    let (unit, scale) = whole.unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / scale)
}

/// `#[serde(with = "units::duration")]`: as text.
pub mod duration {
    use super::*;

    pub fn serialize<S: serde::Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*value))
    }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(from)?;
        parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

/// `#[serde(with = "units::optional_duration")]`: as text, or nothing.
pub mod optional_duration {
    use super::*;

    pub fn serialize<S: serde::Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&value.map(format_duration), to)
    }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = <Option<String> as serde::Deserialize>::deserialize(from)?;
        text.as_deref().map(parse_duration).transpose().map_err(serde::de::Error::custom)
    }
}

/// `#[serde(with = "units::bytes")]`: as text.
pub mod bytes {
    use super::*;

    pub fn serialize<S: serde::Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_bytes(*value))
    }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(from)?;
        parse_bytes(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_round_trip() {
        for text in ["1ns", "250us", "200ms", "30s", "90s", "5m", "1h", "7d"] {
            let read = parse_duration(text).expect(text);
            assert_eq!(parse_duration(&format_duration(read)), Ok(read), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(15)), "15s");
        assert_eq!(format_duration(Duration::from_secs(3600)), "1h");
        for (text, bytes) in [("100B", 100), ("64KiB", 65536), ("10MiB", 10 << 20), ("2GiB", 2 << 30), ("0B", 0)] {
            assert_eq!(parse_bytes(text), Ok(bytes));
            assert_eq!(format_bytes(bytes), text);
        }
    }

    #[test]
    fn bad_quantities_say_what_is_expected() {
        for (text, why) in [
            ("", "such as `30s`"),
            ("30", "such as `30s`"),
            ("s", "such as `30s`"),
            ("1.5s", "such as `30s`"),
            ("-1s", "such as `30s`"),
            ("30 s", "such as `30s`"),
            ("0s", "zero"),
            ("99999999999999999999s", "too large"),
            ("99999d", "36500 days"),
        ] {
            assert!(parse_duration(text).expect_err(text).0.contains(why), "{text}");
        }
        assert!(parse_bytes("64MB").expect_err("unit").0.contains("write `64MiB`"));
        assert!(parse_bytes("64m").expect_err("unit").0.contains("such as `64MiB`"));
        assert!(parse_bytes("5G").expect_err("unit").0.contains("write `5GiB`"));
    }
}
