//! A share of a whole as people write it, `20%`, kept in millionths so that it means the same on every machine.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::units::UnitError;

/// Between nothing and all, in millionths. Written `20%`, `0.1%`, `99.95%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ratio(u32);

const MILLION: u32 = 1_000_000;

impl Ratio {
    pub const ZERO: Self = Self(0);
    pub const ALL: Self = Self(MILLION);

    /// More than 100 is taken for 100.
    pub const fn percent(percent: u32) -> Self {
        Self(if percent > 100 { MILLION } else { percent * 10_000 })
    }
    /// More than a million is taken for a million.
    pub const fn millionths(millionths: u32) -> Self {
        Self(if millionths > MILLION { MILLION } else { millionths })
    }
    pub const fn as_millionths(self) -> u32 {
        self.0
    }
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(MILLION)
    }
    /// What remains of the whole.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(MILLION - self.0)
    }
    /// This share of `count`, rounded down.
    pub fn of(self, count: u64) -> u64 {
        (u128::from(count) * u128::from(self.0) / u128::from(MILLION)) as u64
    }
    /// Whether `part` of `whole` is less than this share. Of nothing, nothing is less.
    pub fn exceeds(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(MILLION) < u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        match rest {
            0 => write!(f, "{whole}%"),
            _ => write!(f, "{whole}.{}%", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

impl FromStr for Ratio {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let shape = || UnitError("a share is a number and `%`, with at most four decimals, such as `20%`".to_owned());
        let number = text.strip_suffix('%').ok_or_else(shape)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 4 || whole.len() > 9 {
            return Err(shape());
        }
        let whole: u64 = whole.parse().map_err(|_| shape())?;
        let part: u64 = format!("{part:0<4}").parse().map_err(|_| shape())?;
        match whole * 10_000 + part {
            millionths if millionths <= u64::from(MILLION) => Ok(Self(millionths as u32)),
            _ => Err(UnitError("a share is at most `100%`".to_owned())),
        }
    }
}

impl TryFrom<String> for Ratio {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_they_are_written() {
        for (text, millionths) in [("20%", 200_000), ("0.1%", 1_000), ("99.95%", 999_500), ("0%", 0), ("100%", MILLION)]
        {
            assert_eq!(text.parse(), Ok(Ratio(millionths)), "{text}");
            assert_eq!(Ratio(millionths).to_string(), text);
        }
        for text in ["", "20", "%", "-1%", "1.%", ".5%", "0.00001%", "101%", "1e2%", "99999999999%", "2 %"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn less_is_told_exactly() {
        let half = Ratio::percent(50);
        for (part, whole, less) in [(0, 0, false), (9, 20, true), (10, 20, false), (11, 20, false), (0, 1, true)] {
            assert_eq!(half.exceeds(part, whole), less, "{part} of {whole}");
        }
        assert_eq!((half.of(7), Ratio::ALL.of(u64::MAX), half.rest()), (3, u64::MAX, half));
    }
}
