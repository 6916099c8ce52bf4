//! Which addresses a route answers.

use core::net::IpAddr;

use crate::Networks;

/// Whoever is in `deny` is refused; where `allow` names anybody, so is whoever is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressRules {
    pub allow: Networks,
    pub deny: Networks,
}

impl AddressRules {
    pub fn allows(&self, client: IpAddr) -> bool {
        !self.deny.contains(client) && (self.allow.is_empty() || self.allow.contains(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_denied_though_it_is_allowed() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse::<crate::Network>().expect(text)).collect();
        let judge = |allow: &[&str], deny: &[&str], client: &str| {
            AddressRules { allow: networks(allow), deny: networks(deny) }.allows(client.parse().expect(client))
        };
        for (allow, deny, client, allowed) in [
            (&[][..], &[][..], "192.0.2.1", true),
            (&["10.0.0.0/8"], &[], "10.1.1.1", true),
            (&["10.0.0.0/8"], &[], "192.0.2.1", false),
            (&["10.0.0.0/8"], &[], "::1", false),
            (&[], &["10.0.0.0/8"], "10.1.1.1", false),
            (&[], &["10.0.0.0/8"], "::ffff:10.1.1.1", false),
            (&[], &["10.0.0.0/8"], "192.0.2.1", true),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.1.1", false),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.2.1.1", true),
        ] {
            assert_eq!(judge(allow, deny, client), allowed, "{client} {allow:?} {deny:?}");
        }
    }
}
