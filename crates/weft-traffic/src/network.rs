//! Networks of addresses, in the usual notation, and sets of them.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// Of an IPv4 address that is written as an IPv6 one, what comes before it.
const MAPPED_BITS: u8 = 96;

/// A network: `10.0.0.0/8`, `fd00::/8`. A bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network, as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("a network is an IP address and a prefix length, such as `10.0.0.0/8`")]
    Address,
    #[error("the prefix length is a number from 0 to {0}")]
    Bits(u8),
    #[error(
        "an IPv4 network in an IPv6 one has a prefix length from 96 to 128: write it as IPv4, such as `10.0.0.0/8`"
    )]
    Mapped,
}

impl Network {
    /// An IPv4 address that is written as an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let (first, last) = self.range();
        self.address.is_ipv4() == address.is_ipv4() && (first..=last).contains(&number(address))
    }

    /// The first and the last of its addresses, as numbers of their family.
    fn range(&self) -> (u128, u128) {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let below = 1u128.checked_shl(width - u32::from(self.bits)).map_or(u128::MAX, |size| size - 1);
        let first = number(self.address) & !below;
        (first, first | below)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else { return Err(NetworkError::Address) };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most);
        let bits = bits.ok_or(NetworkError::Bits(most))?;
        // Addresses are compared as what they are, so that a network of them must be what it is too.
        match address.to_canonical() {
            v4 if v4 != address && bits >= MAPPED_BITS => Ok(Self { address: v4, bits: bits - MAPPED_BITS }),
            v4 if v4 != address => Err(NetworkError::Mapped),
            address => Ok(Self { address, bits }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;
    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}
impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// Many networks, asked about one address at a time: a binary search, however many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// First and last addresses; sorted, and apart from each other.
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let (ranges, wanted) = (if address.is_ipv4() { &self.v4 } else { &self.v6 }, number(address));
        let after = ranges.partition_point(|(first, _)| *first <= wanted);
        after > 0 && wanted <= ranges[after - 1].1
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let (v4, v6): (Vec<_>, Vec<_>) = networks.into_iter().partition(|network| network.address.is_ipv4());
        Self { v4: merged(&v4), v6: merged(&v6) }
    }
}

fn merged(networks: &[Network]) -> Vec<(u128, u128)> {
    let mut ranges: Vec<(u128, u128)> = networks.iter().map(Network::range).collect();
    ranges.sort_unstable();
    let mut out: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| text.parse::<Network>().expect(text)).collect()
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, address, is) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", false),
            ("::/0", "ffff::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("fd00::/8", "fdff::1", true),
            ("2001:db8::/127", "2001:db8::2", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "::ffff:10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.0.0.0", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
        ] {
            let address: IpAddr = address.parse().expect(address);
            assert_eq!(network.parse::<Network>().expect(network).contains(address), is, "{network} {address}");
            assert_eq!(networks(&[network]).contains(address), is, "{network} {address}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "a/8",
            "::/129",
            "1.2.3.4/-1",
            "10.0.0/8",
            "1.2.3.4/",
            "1.2.3.4/8/8",
            "::ffff:0.0.0.0/95",
            "::ffff:1.2.3.4/129",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_set_has_what_one_of_its_networks_has(
            v4 in prop::collection::vec((any::<u8>(), 0u8..=32), 0..12),
            v6 in prop::collection::vec((any::<u8>(), 0u8..=128), 0..12),
            asked in any::<u8>(),
        ) {
            // Few different addresses, so that networks meet and touch.
            let four = |n: u8| IpAddr::V4(Ipv4Addr::from(u32::from(n) << 24 | u32::from(n)));
            let six = |n: u8| IpAddr::V6(Ipv6Addr::from(u128::from(n) << 120 | u128::from(n)));
            let all = v4.iter().map(|(n, bits)| Network { address: four(*n), bits: *bits });
            let all: Vec<Network> = all.chain(v6.iter().map(|(n, bits)| Network { address: six(*n), bits: *bits })).collect();
            let set: Networks = all.iter().copied().collect();
            for address in [four(asked), six(asked)] {
                prop_assert_eq!(set.contains(address), all.iter().any(|network| network.contains(address)));
            }
        }
    }
}
