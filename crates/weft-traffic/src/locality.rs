//! Near and far: which endpoints may be used from here, by zone and region.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Ratio, units::UnitError};

/// Where something runs. Unknown is nowhere near anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Locality {
    pub zone: Option<Arc<str>>,
    pub region: Option<Arc<str>>,
}

/// How far apart two places are, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Near {
    Zone,
    Region,
    Anywhere,
}

impl Locality {
    /// A zone's name is unique only in its region.
    pub fn near(&self, other: &Self) -> Near {
        let same = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.is_some() && a == b;
        let regions_agree = self.region == other.region;
        match (same(&self.zone, &other.zone) && regions_agree, same(&self.region, &other.region)) {
            (true, _) => Near::Zone,
            (_, true) => Near::Region,
            _ => Near::Anywhere,
        }
    }
}

impl Spread {
    /// Every word of a manifest.
    pub fn words() -> [&'static str; 7] {
        WORDS.map(|(word, _)| word)
    }

    /// What is near, where that matters.
    pub fn near(self) -> Option<Near> {
        match self {
            Self::Any => None,
            Self::Prefer(near) | Self::Require(near) | Self::Never(near) => Some(near),
        }
    }
}

/// How strongly the near is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Spread {
    /// All alike.
    #[default]
    Any,
    /// The near ones, until fewer than [`HEALTHY_MIN`] of them can be used; then the next wider circle as well.
    Prefer(Near),
    /// The near ones while one of them can be used.
    Require(Near),
    /// The near ones or none: for data that may not leave.
    Never(Near),
}

/// Of the preferred endpoints this share must be usable, or others join in: the rest could not carry the load.
pub const HEALTHY_MIN: Ratio = Ratio::percent(70);

/// Every spread and its word in a manifest.
const WORDS: [(&str, Spread); 7] = [
    ("any", Spread::Any),
    ("prefer-zone", Spread::Prefer(Near::Zone)),
    ("prefer-region", Spread::Prefer(Near::Region)),
    ("require-zone", Spread::Require(Near::Zone)),
    ("require-region", Spread::Require(Near::Region)),
    ("never-leave-zone", Spread::Never(Near::Zone)),
    ("never-leave-region", Spread::Never(Near::Region)),
];

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Anywhere` is as good as `any`, so every other one has a word.
        f.write_str(WORDS.iter().find(|(_, spread)| spread == self).map_or("any", |(word, _)| word))
    }
}

impl FromStr for Spread {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let known = WORDS.iter().find(|(word, _)| *word == text).map(|(_, spread)| *spread);
        known.ok_or_else(|| UnitError(format!("a locality is one of {}", WORDS.map(|(word, _)| word).join(", "))))
    }
}

impl TryFrom<String> for Spread {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Spread> for String {
    fn from(spread: Spread) -> Self {
        spread.to_string()
    }
}

/// The indices that may be used, and whether unhealthy ones are among them because no healthy one is left.
/// `all`: for each endpoint how near it is and whether it can be used.
pub(crate) fn eligible(spread: Spread, all: &[(Near, bool)]) -> (Vec<u32>, bool) {
    let within = |circle: Near, sick: bool| -> Vec<u32> {
        let fits =
            |(at, (near, usable)): (usize, &(Near, bool))| (*near <= circle && (*usable || sick)).then_some(at as u32);
        all.iter().enumerate().filter_map(fits).collect()
    };
    let enough =
        |circle: Near| !HEALTHY_MIN.exceeds(within(circle, false).len() as u64, within(circle, true).len() as u64);
    let circles = match spread {
        Spread::Any => vec![Near::Anywhere],
        Spread::Prefer(from) => {
            let wider = [Near::Zone, Near::Region, Near::Anywhere].into_iter().filter(|circle| *circle >= from);
            wider.filter(|circle| *circle == Near::Anywhere || enough(*circle)).collect()
        }
        Spread::Require(near) => vec![near, Near::Anywhere],
        Spread::Never(near) => vec![near],
    };
    let healthy = circles.iter().map(|circle| within(*circle, false)).find(|found| !found.is_empty());
    match healthy {
        Some(found) => (found, false),
        // Better an endpoint that is said to be unhealthy than certain failure: the checks may be what is wrong.
        None => (circles.last().map(|circle| within(*circle, true)).unwrap_or_default(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, region: &str) -> Locality {
        let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Locality { zone: some(zone), region: some(region) }
    }

    #[test]
    fn how_near() {
        for (one, other, near) in [
            (at("a", "eu"), at("a", "eu"), Near::Zone),
            (at("a", "eu"), at("b", "eu"), Near::Region),
            (at("a", "eu"), at("a", "us"), Near::Anywhere),
            (at("a", ""), at("a", ""), Near::Zone),
            (at("", ""), at("", ""), Near::Anywhere),
        ] {
            assert_eq!(one.near(&other), near, "{one:?} {other:?}");
        }
    }

    #[test]
    fn who_is_eligible() {
        use Near::{Anywhere, Region, Zone};
        let mixed = [(Zone, true), (Zone, false), (Region, true), (Anywhere, true)];
        let sick = [(Zone, false), (Region, false), (Anywhere, false)];
        let gone = [(Zone, false), (Region, true), (Anywhere, true)];
        let far = [(Anywhere, true)];
        for (spread, all, wanted, unhealthy) in [
            (Spread::Any, &mixed[..], vec![0, 2, 3], false),
            (Spread::Prefer(Zone), &mixed[..], vec![0, 2, 3], false),
            (Spread::Prefer(Zone), &mixed[2..], vec![0], false),
            (Spread::Require(Zone), &mixed[..], vec![0], false),
            (Spread::Require(Zone), &gone[..], vec![1, 2], false),
            (Spread::Never(Zone), &gone[..], vec![0], true),
            (Spread::Never(Region), &gone[..], vec![1], false),
            (Spread::Never(Region), &far[..], vec![], true),
            (Spread::Any, &sick[..], vec![0, 1, 2], true),
            (Spread::Prefer(Region), &sick[..], vec![0, 1, 2], true),
        ] {
            assert_eq!(eligible(spread, all), (wanted, unhealthy), "{spread} {all:?}");
        }
    }
}
