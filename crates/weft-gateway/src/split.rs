//! Which arm of a split answers a request, and the cookie by which its client stays with it.

use http::{HeaderMap, HeaderValue, header};
use weft_traffic::{
    Arms,
    split::{Because, Sticky, format_cookie, parse_cookie},
};

/// Longest time that a client is known by its cookie, in seconds.
const COOKIE_AGE_S: u32 = 30 * 24 * 3600;

/// The arm that a request takes.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) arm: usize,
    /// For a client that brought no key.
    cookie: Option<HeaderValue>,
}

impl Taken {
    /// `random` is uniform. `secure`: the client speaks TLS.
    pub(crate) fn of(arms: &Arms, headers: &HeaderMap, random: u64, secure: bool) -> Self {
        let split = &arms.split;
        let cookie = match &split.sticky {
            Sticky::Cookie(name) => cookie(headers, name).and_then(parse_cookie),
            _ => None,
        };
        let key = match &split.sticky {
            Sticky::Cookie(_) => cookie.as_ref().map(<[u8; 8]>::as_slice),
            Sticky::Header(name) => headers.get(name).map(HeaderValue::as_bytes),
            // Nobody is told apart by these yet: the manifest has no word for them.
            Sticky::No | Sticky::Identity | Sticky::Tenant => None,
        };
        let choice = split.choose(headers, key, random);
        let cookie = match (&split.sticky, choice.because) {
            (Sticky::Cookie(name), Because::Drawn { cookie: Some(key) }) => set(name, key, secure),
            _ => None,
        };
        Self { arm: choice.arm, cookie }
    }

    pub(crate) fn leave(&self, headers: &mut HeaderMap) {
        if let Some(cookie) = &self.cookie {
            headers.append(header::SET_COOKIE, cookie.clone());
        }
    }
}

/// The value of the first cookie of this name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn set(name: &str, key: u64, secure: bool) -> Option<HeaderValue> {
    let (value, secure) = (format_cookie(key), if secure { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weft_traffic::{
        Callee,
        split::{Arm, Split},
    };
    use weft_types::{Context, Digest, Name, Target};

    use super::*;

    fn arms() -> Arms {
        let arm = |name: &str| Arm { name: name.into(), weight: 50, force: None };
        let name = |text: &str| Name::new(text).expect("a name");
        let target = |component: &str| Target {
            application: name("shop"),
            revision: Digest([0; 32]),
            component: name(component),
            function: None,
        };
        let callee = |component: &str| Callee::Component(Arc::new(Context::anonymous(target(component))));
        let split = Split::new(vec![arm("a"), arm("b")], Sticky::Cookie("arm".into()), 7).expect("a split");
        Arms { split, callees: vec![callee("a"), callee("b")] }
    }

    #[test]
    fn who_brings_no_cookie_is_given_one_and_stays_where_it_led() {
        let arms = arms();
        for random in (0..200u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let first = Taken::of(&arms, &HeaderMap::new(), random, true);
            let mut answer = HeaderMap::new();
            first.leave(&mut answer);
            let given = answer[header::SET_COOKIE].to_str().expect("text").to_owned();
            assert!(given.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"), "{given}");
            let mut headers = HeaderMap::new();
            let pair = given.split(';').next().expect("a pair");
            headers.insert(header::COOKIE, format!("x=1; {pair}; y=2").parse().expect("a value"));
            let again = Taken::of(&arms, &headers, !random, true);
            assert_eq!((again.arm, again.cookie.is_some()), (first.arm, false));
        }
    }

    #[test]
    fn a_cookie_that_is_none_of_ours_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("arm=b"));
        let taken = Taken::of(&arms(), &headers, 1, false);
        assert!(taken.cookie.is_some_and(|cookie| !cookie.to_str().expect("text").contains("Secure")));
    }
}
