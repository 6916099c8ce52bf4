//! Who is calling, by what proxies say.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use weft_traffic::{
    Network, Networks,
    forwarded::{Client, Forwarding, Words, strip},
};

fn networks(texts: &[&str]) -> Networks {
    texts.iter().map(|text| text.parse::<Network>().expect(text)).collect()
}

fn forwarding(words: Words) -> Forwarding {
    Forwarding { trusted: networks(&["10.0.0.0/8", "fd00::/8"]), words }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn client(words: Words, peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
    let Client { address: is, secure } = forwarding(words).client(address(peer), false, &headers(lines));
    (is.to_string(), secure)
}

#[test]
fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
    for (peer, said, wanted) in [
        // Nobody in front, or somebody who is not trusted: what is said counts for nothing.
        ("192.0.2.9", &[][..], "192.0.2.9"),
        ("192.0.2.9", &["203.0.113.5"], "192.0.2.9"),
        ("::ffff:192.0.2.9", &["203.0.113.5"], "192.0.2.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", &["203.0.113.5"], "203.0.113.5"),
        ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
        // What the client wrote itself is to the left of it.
        ("10.0.0.1", &["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", &["127.0.0.1", "203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", &["127.0.0.1", "203.0.113.5", "10.0.0.2, 10.0.0.3"], "203.0.113.5"),
        // All are trusted: the one that is furthest away.
        ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ("10.0.0.1", &["203.0.113.5:4711"], "203.0.113.5"),
        ("10.0.0.1", &["[2001:db8::7]:80"], "2001:db8::7"),
        // What is no address hides everything before it.
        ("10.0.0.1", &["203.0.113.5, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.5,"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5:x"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4.5"], "10.0.0.1"),
        ("10.0.0.1", &["[::1"], "10.0.0.1"),
    ] {
        let lines: Vec<_> = said.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(client(Words::XForwarded, peer, &lines).0, wanted, "{peer} {said:?}");
    }
}

#[test]
fn forwarded_is_read_as_the_standard_writes_it() {
    for (said, wanted) in [
        (&["for=203.0.113.5"][..], ("203.0.113.5", false)),
        (&["For=\"203.0.113.5:80\";Proto=HTTPS;by=10.0.0.1"], ("203.0.113.5", true)),
        (&["for=\"[2001:db8::7]:4711\""], ("2001:db8::7", false)),
        (&["for=1.1.1.1;proto=https, for=203.0.113.5;proto=http, for=10.0.0.2;proto=https"], ("203.0.113.5", false)),
        (&["for=1.1.1.1", "for=203.0.113.5;host=\"a,b;for=9.9.9.9\""], ("203.0.113.5", false)),
        (&["for=203.0.113.5, for=_hidden"], ("10.0.0.1", false)),
        (&["for=203.0.113.5, proto=https"], ("10.0.0.1", true)),
        (&["for=\"203.0.113.5"], ("10.0.0.1", false)),
        (&[""], ("10.0.0.1", false)),
    ] {
        let lines: Vec<_> = said.iter().map(|line| ("forwarded", *line)).collect();
        let (is, secure) = client(Words::Forwarded, "10.0.0.1", &lines);
        assert_eq!((is.as_str(), secure), wanted, "{said:?}");
    }
    // The other header is not read.
    assert_eq!(client(Words::Forwarded, "10.0.0.1", &[("x-forwarded-for", "1.1.1.1")]).0, "10.0.0.1");
    assert_eq!(client(Words::XForwarded, "10.0.0.1", &[("forwarded", "for=1.1.1.1")]).0, "10.0.0.1");
}

#[test]
fn the_scheme_is_that_of_the_nearest_who_knows() {
    let proto = |peer, value| client(Words::XForwarded, peer, &[("x-forwarded-proto", value)]).1;
    assert!(proto("10.0.0.1", "https"));
    assert!(proto("10.0.0.1", "http, HTTPS"));
    assert!(!proto("10.0.0.1", "https, http"));
    assert!(!proto("192.0.2.9", "https"), "not trusted");
}

fn written(words: Words, peer: &str, lines: &[(&'static str, &str)]) -> Vec<String> {
    let mut headers = headers(lines);
    let forwarding = forwarding(words);
    let client = forwarding.client(address(peer), true, &headers);
    forwarding.write(address(peer), client, &mut headers);
    let mut all: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    all.sort();
    all
}

#[test]
fn whoever_answers_is_told_by_us_alone() {
    let lies = [
        ("host", "shop"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-anything", "1"),
        ("x-real-ip", "1.1.1.1"),
        ("forwarded", "for=1.1.1.1"),
    ];
    let told = ["host: shop", "x-forwarded-for: 192.0.2.9", "x-forwarded-host: shop", "x-forwarded-proto: https"];
    assert_eq!(written(Words::XForwarded, "192.0.2.9", &lies), told);
    let told = ["forwarded: for=192.0.2.9;proto=https;host=\"shop\"", "host: shop"];
    assert_eq!(written(Words::Forwarded, "192.0.2.9", &lies), told);
    let said = [
        ("host", "shop"),
        ("x-forwarded-for", "203.0.113.5"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-host", "www"),
    ];
    let told = [
        "host: shop",
        "x-forwarded-for: 203.0.113.5, 10.0.0.2, 10.0.0.1",
        "x-forwarded-host: www",
        "x-forwarded-proto: https",
    ];
    assert_eq!(written(Words::XForwarded, "10.0.0.1", &said), told);
    let told = ["forwarded: for=203.0.113.5, for=\"[fd00::1]\";proto=https"];
    assert_eq!(written(Words::Forwarded, "fd00::1", &[("forwarded", "for=203.0.113.5")]), told);
}

#[test]
fn stripping_leaves_nothing_and_takes_nothing_else() {
    let mut all = headers(&[
        ("x-forwarded-for", "1"),
        ("x-forwarded-for", "2"),
        ("forwarded", "a"),
        ("x-real-ip", "a"),
        ("x_forwarded_for", "1"),
        ("x-forwarded_proto", "1"),
        ("x_forwarded-anything", "1"),
        ("x_real_ip", "a"),
        ("x-a", "1"),
        ("x-real-ips", "1"),
        ("x-forwarded", "1"),
    ]);
    strip(&mut all);
    assert_eq!(all, headers(&[("x-a", "1"), ("x-real-ips", "1"), ("x-forwarded", "1")]));
}

proptest! {
    /// Whatever comes before it, the client that the nearest proxy has written is the client.
    #[test]
    fn nothing_that_a_client_writes_changes_who_it_is(lie in "[ -~]{0,60}", more in "[ -~]{0,60}") {
        let lines = [("x-forwarded-for", lie.as_str()), ("x-forwarded-for", &format!("{more}, 203.0.113.5"))];
        prop_assert_eq!(client(Words::XForwarded, "10.0.0.1", &lines).0, "203.0.113.5");
        prop_assert_eq!(client(Words::XForwarded, "192.0.2.9", &lines).0, "192.0.2.9");
        let lines = [("forwarded", lie.as_str()), ("forwarded", "for=203.0.113.5")];
        prop_assert_eq!(client(Words::Forwarded, "10.0.0.1", &lines).0, "203.0.113.5");
    }
}
