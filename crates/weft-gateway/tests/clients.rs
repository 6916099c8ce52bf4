//! Who is calling, over sockets: the PROXY protocol, trusted forwarders, and the routes that look at addresses.

mod common;

use std::{net::SocketAddr, sync::Arc};

use common::{context, door, local, raw, rest, route, table, witness};
use http::Response;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weft_gateway::{Gateway, Limits, Listener, Running};
use weft_traffic::{
    Action, Network, Networks, RouteSpec,
    feature::{AddressRules, Features},
    forwarded::{Forwarding, Words},
};

fn networks(texts: &[&str]) -> Networks {
    texts.iter().map(|text| text.parse::<Network>().expect(text)).collect()
}

/// `/in/…` answers 203.0.113.0/24 alone; every other path anybody. The answer is what the door saw.
fn gateway(forwarding: Option<Forwarding>) -> Gateway {
    let addresses = AddressRules { allow: networks(&["203.0.113.0/24"]), deny: networks(&["203.0.113.66"]) };
    let features = Features { addresses: Some(addresses), ..Features::default() };
    let inside = RouteSpec { features: Some(Arc::new(features)), ..route("/in/*", &[], Action::Component(context())) };
    let mirror = door(|request| async move {
        let fields =
            request.headers().iter().filter(|(name, _)| name.as_str().contains("forwarded") || *name == "x-real-ip");
        let fields: Vec<String> =
            fields.map(|(name, value)| format!(" {name}={}", value.to_str().expect("text"))).collect();
        Ok(Response::new(weft_types::full(format!("{}{}", request.uri(), fields.concat()))))
    });
    let gateway = Gateway::new(mirror, table(vec![inside, route("/*", &[], Action::Component(context()))]));
    match forwarding {
        Some(forwarding) => gateway.forwarding(forwarding),
        None => gateway,
    }
}

fn trusting(trusted: &[&str]) -> Option<Forwarding> {
    Some(Forwarding { trusted: networks(trusted), words: Words::XForwarded })
}

fn proxied(from: &[&str]) -> Listener {
    local().proxies(networks(from))
}

async fn ask(address: SocketAddr, before: &str, path: &str, headers: &str) -> String {
    raw(address, format!("{before}GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n")).await
}

fn body(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").expect("a head").1
}

#[tokio::test]
async fn nobody_is_believed_unless_it_is_trusted() {
    let lies = "X-Forwarded-For: 203.0.113.5\r\nForwarded: for=203.0.113.5\r\nX-Real-IP: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n";
    for forwarding in [None, trusting(&["10.0.0.0/8"])] {
        let told = forwarding.is_some();
        let gateway = gateway(forwarding).serve(local());
        let answer = ask(gateway.address(), "", "/x", lies).await;
        let wanted = if told { " x-forwarded-for=127.0.0.1 x-forwarded-proto=http x-forwarded-host=shop" } else { "" };
        assert_eq!(body(&answer), format!("http://shop/x{wanted}"));
        let refused = ask(gateway.address(), "", "/in/x", lies).await;
        assert!(
            refused.starts_with("HTTP/1.1 403 ") && refused.contains("weft-error: address-refused\r\n"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_trusted_forwarder_says_who_is_calling_and_over_what() {
    let gateway = gateway(trusting(&["127.0.0.0/8"])).serve(local());
    let said = |client: &str| {
        format!("X-Forwarded-For: 6.6.6.6, {client}\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n")
    };
    let answer = ask(gateway.address(), "", "/in/x", &said("203.0.113.5")).await;
    let wanted = "https://shop/in/x x-forwarded-for=6.6.6.6, 203.0.113.5, 127.0.0.1 x-forwarded-proto=https x-forwarded-host=shop";
    assert_eq!(body(&answer), wanted);
    for client in ["198.51.100.1", "203.0.113.66", "unknown", "127.0.0.1"] {
        let refused = ask(gateway.address(), "", "/in/x", &said(client)).await;
        assert!(refused.starts_with("HTTP/1.1 403 "), "{client}: {refused}");
    }
}

#[tokio::test]
async fn a_balancer_says_whose_connection_it_is() {
    let gateway = gateway(trusting(&[])).serve(proxied(&["127.0.0.0/8"]));
    let client = "PROXY TCP4 203.0.113.5 192.0.2.1 4711 443\r\n";
    let answer = ask(gateway.address(), client, "/in/x", "").await;
    let wanted = "http://shop/in/x x-forwarded-for=203.0.113.5 x-forwarded-proto=http x-forwarded-host=shop";
    assert_eq!(body(&answer), wanted);
    let denied = ask(gateway.address(), "PROXY TCP4 203.0.113.66 192.0.2.1 4711 443\r\n", "/in/x", "").await;
    assert!(denied.starts_with("HTTP/1.1 403 "), "{denied}");
    let own = ask(gateway.address(), "PROXY UNKNOWN\r\n", "/x", "").await;
    assert!(body(&own).contains("x-forwarded-for=127.0.0.1 "), "{own}");
}

#[tokio::test]
async fn a_proxy_header_may_come_in_parts_and_two_requests_after_it() {
    let gateway = gateway(trusting(&[])).serve(proxied(&["127.0.0.0/8"]));
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    stream.set_nodelay(true).expect("set");
    for part in
        ["PROXY TCP4 203.0.", "113.5 192.0.2.1 4711 44", "3\r", "\nGET /in/1 HTTP/1.1\r\nHost: shop\r\n\r\nGET /in/2"]
    {
        stream.write_all(part.as_bytes()).await.expect("sends");
        tokio::task::yield_now().await;
    }
    stream.write_all(b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").await.expect("sends");
    let all = rest(&mut stream).await;
    assert!(all.contains("http://shop/in/1 x-forwarded-for=203.0.113.5") && all.contains("http://shop/in/2 "), "{all}");
}

#[tokio::test]
async fn what_does_not_begin_as_it_must_is_closed_unread() {
    let witness = Arc::new(witness::Witness::default());
    let gateway = gateway(None).observer(Arc::clone(&witness) as _).serve(proxied(&["127.0.0.0/8"]));
    for before in [
        "",
        "PROXY TCP4 203.0.113.5 192.0.2.1 4711\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
        "\r\n\r\n\0\r\nQUIT\n\u{11}\u{11}\0\0",
    ] {
        let answer = ask(gateway.address(), before, "/x", "").await;
        assert_eq!(answer, "", "{before:?}");
    }
}

#[tokio::test]
async fn a_proxy_header_of_anybody_else_is_no_header() {
    let gateway = gateway(None).serve(proxied(&["10.0.0.0/8"]));
    let answer = ask(gateway.address(), "PROXY TCP4 203.0.113.5 192.0.2.1 4711 443\r\n", "/x", "").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(body(&ask(gateway.address(), "", "/x", "").await), "http://shop/x");
}

#[tokio::test]
async fn a_header_that_does_not_end_is_waited_for_as_long_as_a_head() {
    let limits = Limits { head_time: std::time::Duration::ZERO, ..Limits::default() };
    let gateway: Running = gateway(None).limits(limits).serve(proxied(&["127.0.0.0/8"]));
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    stream.write_all(b"PROXY TCP4 203.0").await.expect("sends");
    assert_eq!(rest(&mut stream).await, "", "the sweep closes it");
}
