//! Which kinds of harm a call met, small enough to go with every request.

use std::fmt;

use weft_traffic::fault::Harm;

/// A set of kinds. `Display` is its words with commas, `delay,abort`; nothing for the empty set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

const WORDS: [&str; 6] = ["delay", "abort", "corrupt", "bandwidth", "reset", "kill"];

impl Kinds {
    pub fn of(harms: &[Harm]) -> Self {
        let bit = |harm: &Harm| WORDS.iter().position(|word| *word == harm.as_str()).map_or(0, |at| 1 << at);
        Self(harms.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = WORDS.iter().enumerate().filter(|(at, _)| self.0 & (1 << at) != 0);
        words.enumerate().try_for_each(|(n, (_, word))| write!(f, "{}{word}", if n > 0 { "," } else { "" }))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use weft_traffic::Ratio;

    use super::*;

    #[test]
    fn every_harm_has_its_word() {
        let all = [
            Harm::Kill,
            Harm::Reset { after: 1 },
            Harm::Bandwidth(1),
            Harm::Corrupt(Ratio::ALL),
            Harm::Abort(StatusCode::BAD_GATEWAY),
            Harm::Delay(std::time::Duration::ZERO),
        ];
        assert_eq!(Kinds::of(&all).to_string(), "delay,abort,corrupt,bandwidth,reset,kill");
        assert_eq!(Kinds::of(&all[1..2]).and(Kinds::of(&all[5..])).to_string(), "delay,reset");
        assert!(Kinds::default().is_empty() && Kinds::default().to_string().is_empty());
    }
}
