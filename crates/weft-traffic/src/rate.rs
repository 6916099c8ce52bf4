//! A rate as people write it: `100/s`, `10/m`, `5000/h`, and with a burst of its own.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::UnitError;

/// So many in each stretch of time. Written `100/s`; the stretch is one `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: NonZeroU32,
    per: Per,
}

/// The stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    Second,
    Minute,
    Hour,
    Day,
}

const PERS: [(&str, Per, u64); 4] =
    [("s", Per::Second, 1), ("m", Per::Minute, 60), ("h", Per::Hour, 3_600), ("d", Per::Day, 86_400)];

impl Rate {
    /// More than this in a stretch is refused: a nanosecond is the finest spacing.
    pub const COUNT_MAX: u32 = 1_000_000_000;

    /// `None` beyond [`Rate::COUNT_MAX`].
    pub fn new(count: NonZeroU32, per: Per) -> Option<Self> {
        (count.get() <= Self::COUNT_MAX).then_some(Self { count, per })
    }
    pub fn count(self) -> NonZeroU32 {
        self.count
    }
    /// The stretch's length.
    pub fn stretch(self) -> Duration {
        Duration::from_secs(self.row().2)
    }
    /// The time between two calls at exactly this rate, rounded up, so that the rate is never exceeded.
    pub fn spacing(self) -> Duration {
        let nanos = self.row().2 * 1_000_000_000;
        Duration::from_nanos(nanos.div_ceil(u64::from(self.count.get())))
    }
    fn row(self) -> (&'static str, Per, u64) {
        PERS[self.per as usize]
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.row().0)
    }
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let shape = "a rate is a whole number, `/` and `s`, `m`, `h` or `d`, such as `100/s`";
        let shaped = || UnitError(shape.to_owned());
        let (count, per) = text.split_once('/').ok_or_else(shaped)?;
        let (_, per, _) = PERS.iter().find(|(unit, ..)| *unit == per).ok_or_else(shaped)?;
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(shaped());
        }
        let most = || UnitError(format!("a rate is at most {} in a stretch", Self::COUNT_MAX));
        match count.parse::<u32>().map(NonZeroU32::new) {
            Ok(Some(count)) => Self::new(count, *per).ok_or_else(most),
            Ok(None) => Err(UnitError("a rate of zero admits nothing; leave the route out instead".to_owned())),
            Err(_) => Err(most()),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        for (text, nanos) in [
            ("100/s", 10_000_000),
            ("3/s", 333_333_334),
            ("10/m", 6_000_000_000),
            ("1000000000/s", 1),
            ("1/d", 86_400_000_000_000),
        ] {
            let rate: Rate = text.parse().expect(text);
            assert_eq!((rate.spacing(), rate.to_string()), (Duration::from_nanos(nanos), text.to_owned()));
        }
        for text in
            ["", "100", "/s", "100/", "100/w", "-1/s", "1.5/s", "+1/s", "0/s", "1000000001/s", "99999999999/s", "1 / s"]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
