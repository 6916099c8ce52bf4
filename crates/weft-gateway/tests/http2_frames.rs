//! HTTP/2 as the well-known conformance suites test it: RFC 9113 and RFC 7541 section by section, over a socket.

mod common;

use std::time::Duration;

use common::{
    echo,
    frames::{
        ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, Ended, FLOW_CONTROL_ERROR,
        FRAME_SIZE_ERROR, GOAWAY, HEADERS, PADDED, PING, PRIORITISED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
        REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED, WHOLE, WINDOW_UPDATE, Wire, block, frame, get, post,
        request, reset, setting,
    },
    start_on_lanes as start,
};

type Case = (&'static str, Vec<u8>, &'static [u32]);

/// Sends each on a connection of its own. Whatever is wrong with a frame must end its stream or the connection with
/// one of the codes that the standard names. Where the connection ends, PROTOCOL_ERROR is as good as a closer code,
/// which is all that h2 says of what it cannot decode.
async fn all_fail(cases: Vec<Case>) {
    let gateway = start(echo());
    let mut wrong = Vec::new();
    for (why, bytes, codes) in cases {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&bytes).await;
        let ended = tokio::time::timeout(Duration::from_secs(5), failure(&mut wire)).await;
        match ended {
            Ok(Ended::Reset(code)) if codes.contains(&code) => {}
            Ok(Ended::GoneAway(code)) if codes.contains(&code) || code == PROTOCOL_ERROR => {}
            ended => wrong.push(format!("{why}: {ended:?}, wanted one of {codes:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first RST_STREAM or GOAWAY, whatever was answered before it. Nothing comes after a GOAWAY.
async fn failure(wire: &mut Wire) -> Ended {
    while let Some(frame) = wire.next().await {
        match frame.kind {
            RST_STREAM => return Ended::Reset(frame.code()),
            GOAWAY => {
                assert!(wire.next().await.is_none(), "the connection closes");
                return Ended::GoneAway(frame.code());
            }
            _ => {}
        }
    }
    Ended::Closed
}

fn then(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[tokio::test]
async fn frames_that_are_too_long_or_unreadable() {
    let long = vec![b'x'; (1 << 14) + 1];
    let cases: Vec<Case> = vec![
        (
            "4.2 DATA over the frame size",
            then(&[&post(1, &[]), &frame(DATA, END_STREAM, 1, &long)]),
            &[FRAME_SIZE_ERROR],
        ),
        ("4.2 HEADERS over the frame size", frame(HEADERS, WHOLE, 1, &long), &[FRAME_SIZE_ERROR]),
        ("4.3 an unreadable block", frame(HEADERS, WHOLE, 1, &[0x40]), &[COMPRESSION_ERROR]),
        (
            "4.3 PRIORITY within a header block",
            then(&[&frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])), &frame(PRIORITY, 0, 1, &[0; 5])]),
            &[PROTOCOL_ERROR],
        ),
        (
            "4.3 HEADERS of another stream within a header block",
            then(&[&frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])), &get(3)]),
            &[PROTOCOL_ERROR],
        ),
        (
            "5.5 an unknown frame within a header block",
            then(&[&frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])), &frame(0x16, 0, 0, &[0; 8])]),
            &[PROTOCOL_ERROR],
        ),
    ];
    all_fail(cases).await;
}

#[tokio::test]
async fn frames_in_the_wrong_state_of_a_stream() {
    let dependent = |on: u32| [&on.to_be_bytes()[..], &[255]].concat();
    let cases: Vec<Case> = vec![
        ("5.1 DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), &[PROTOCOL_ERROR]),
        ("5.1 RST_STREAM on an idle stream", reset(1, 8), &[PROTOCOL_ERROR]),
        ("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]), &[PROTOCOL_ERROR]),
        ("5.1 CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, &[]), &[PROTOCOL_ERROR]),
        ("5.1 DATA after the end", then(&[&get(1), &frame(DATA, END_STREAM, 1, b"x")]), &[STREAM_CLOSED]),
        ("5.1 HEADERS after the end", then(&[&get(1), &get(1)]), &[STREAM_CLOSED]),
        (
            "5.1 CONTINUATION after the end",
            then(&[&get(1), &frame(CONTINUATION, END_HEADERS, 1, &[])]),
            &[STREAM_CLOSED, PROTOCOL_ERROR],
        ),
        (
            "5.1 DATA after a reset",
            then(&[&post(1, &[]), &reset(1, 8), &frame(DATA, END_STREAM, 1, b"x")]),
            &[STREAM_CLOSED],
        ),
        ("5.1 HEADERS after a reset", then(&[&post(1, &[]), &reset(1, 8), &get(1)]), &[STREAM_CLOSED]),
        (
            "5.1 CONTINUATION after a reset",
            then(&[&post(1, &[]), &reset(1, 8), &frame(CONTINUATION, END_HEADERS, 1, &[])]),
            &[STREAM_CLOSED, PROTOCOL_ERROR],
        ),
        ("5.1.1 an even stream", get(2), &[PROTOCOL_ERROR]),
        ("5.1.1 a smaller stream", then(&[&get(5), &get(3)]), &[PROTOCOL_ERROR, STREAM_CLOSED]),
        (
            "5.3.1 HEADERS that depend on themselves",
            frame(HEADERS, WHOLE | PRIORITISED, 1, &[&dependent(1), &request("GET", "/", &[])[..]].concat()),
            &[PROTOCOL_ERROR],
        ),
        ("5.3.1 PRIORITY on itself", frame(PRIORITY, 0, 1, &dependent(1)), &[PROTOCOL_ERROR]),
    ];
    all_fail(cases).await;
}

#[tokio::test]
async fn frames_that_are_malformed() {
    let update = |stream: u32, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let most = (1 << 31) - 1;
    let cases: Vec<Case> = vec![
        ("6.1 DATA on stream 0", frame(DATA, END_STREAM, 0, b"x"), &[PROTOCOL_ERROR]),
        ("6.1 more padding than DATA", then(&[&post(1, &[]), &frame(DATA, 9, 1, &[9, b'x'])]), &[PROTOCOL_ERROR]),
        ("6.2 HEADERS on stream 0", get(0), &[PROTOCOL_ERROR]),
        (
            "6.2 more padding than HEADERS",
            frame(HEADERS, WHOLE | PADDED, 1, &[&[255], &request("GET", "/", &[])[..]].concat()),
            &[PROTOCOL_ERROR],
        ),
        ("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, &[0; 5]), &[PROTOCOL_ERROR]),
        ("6.3 PRIORITY of 4 bytes", then(&[&post(1, &[]), &frame(PRIORITY, 0, 1, &[0; 4])]), &[FRAME_SIZE_ERROR]),
        ("6.4 RST_STREAM on stream 0", reset(0, 8), &[PROTOCOL_ERROR]),
        ("6.4 RST_STREAM of 3 bytes", then(&[&post(1, &[]), &frame(RST_STREAM, 0, 1, &[0; 3])]), &[FRAME_SIZE_ERROR]),
        ("6.5 an ACK with settings", frame(SETTINGS, ACK, 0, &setting(1, 1)), &[FRAME_SIZE_ERROR]),
        ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1, &setting(3, 1)), &[PROTOCOL_ERROR]),
        ("6.5 SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, &[0; 3]), &[FRAME_SIZE_ERROR]),
        ("6.5.2 push neither on nor off", frame(SETTINGS, 0, 0, &setting(2, 2)), &[PROTOCOL_ERROR]),
        ("6.5.2 a window too large", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), &[FLOW_CONTROL_ERROR]),
        ("6.5.2 frames too small", frame(SETTINGS, 0, 0, &setting(5, (1 << 14) - 1)), &[PROTOCOL_ERROR]),
        ("6.5.2 frames too large", frame(SETTINGS, 0, 0, &setting(5, 1 << 24)), &[PROTOCOL_ERROR]),
        (
            "6.6 PUSH_PROMISE",
            then(&[&post(1, &[]), &frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]),
            &[PROTOCOL_ERROR],
        ),
        ("6.7 PING on a stream", frame(PING, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]),
        ("6.7 PING of 6 bytes", frame(PING, 0, 0, &[0; 6]), &[FRAME_SIZE_ERROR]),
        ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]),
        ("6.9 no increment", update(0, 0), &[PROTOCOL_ERROR]),
        ("6.9 no increment of a stream", then(&[&post(1, &[]), &update(1, 0)]), &[PROTOCOL_ERROR]),
        ("6.9 WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), &[FRAME_SIZE_ERROR]),
        ("6.9.1 a window that overflows", then(&[&update(0, most), &update(0, most)]), &[FLOW_CONTROL_ERROR]),
        (
            "6.9.1 a stream's window that overflows",
            then(&[&post(1, &[]), &update(1, most), &update(1, most)]),
            &[FLOW_CONTROL_ERROR],
        ),
        (
            "6.9.2 a window that overflows by settings",
            then(&[&post(1, &[]), &update(1, most - 65535), &frame(SETTINGS, 0, 0, &setting(4, most))]),
            &[FLOW_CONTROL_ERROR],
        ),
        (
            "6.10 CONTINUATION on stream 0",
            then(&[&frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])), &frame(CONTINUATION, 4, 0, &[])]),
            &[PROTOCOL_ERROR],
        ),
        (
            "6.10 CONTINUATION after DATA",
            then(&[&post(1, &[]), &frame(DATA, 0, 1, b"x"), &frame(CONTINUATION, 4, 1, &block(&[("a", "b")]))]),
            &[PROTOCOL_ERROR],
        ),
        (
            "6.10 CONTINUATION after the end of its block",
            then(&[
                &frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])),
                &frame(CONTINUATION, END_HEADERS, 1, &block(&[("a", "b")])),
                &frame(CONTINUATION, END_HEADERS, 1, &block(&[("a", "b")])),
            ]),
            &[PROTOCOL_ERROR],
        ),
    ];
    all_fail(cases).await;
}

#[tokio::test]
async fn header_blocks_that_break_the_rules_of_compression() {
    let with = |bytes: &[u8]| frame(HEADERS, WHOLE, 1, &[&request("GET", "/", &[]), bytes].concat());
    let value = |bytes: &[u8]| with(&[&[0x10, 1, b'x', 0x80 | bytes.len() as u8], bytes].concat());
    let cases: Vec<Case> = vec![
        ("2.3.3 an index past the tables", with(&[0xff, 0x80, 0x01]), &[COMPRESSION_ERROR]),
        ("6.1 index 0", with(&[0x80]), &[COMPRESSION_ERROR]),
        ("4.2 a size update at the end", with(&[0x20]), &[COMPRESSION_ERROR]),
        ("6.3 a table larger than allowed", frame(HEADERS, WHOLE, 1, &[0x3f, 0xe1, 0xff, 0x03]), &[COMPRESSION_ERROR]),
        ("5.2 Huffman padding of a whole byte", value(&[0xf0, 0xff, 0xff]), &[COMPRESSION_ERROR]),
        ("5.2 Huffman padding of zeros", value(&[0x18]), &[COMPRESSION_ERROR]),
        ("5.2 the end of string in a string", value(&[0xff, 0xff, 0xff, 0xff]), &[COMPRESSION_ERROR]),
        ("5.1 an integer without end", with(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), &[COMPRESSION_ERROR]),
    ];
    all_fail(cases).await;
}

#[tokio::test]
async fn requests_that_are_malformed() {
    let asks = |fields: &[(&str, &str)]| frame(HEADERS, WHOLE, 1, &block(fields));
    let and =
        |name: &'static str, value: &'static str| frame(HEADERS, WHOLE, 1, &request("GET", "/", &[(name, value)]));
    let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let without = |name: &str| asks(&base.iter().copied().filter(|(n, _)| *n != name).collect::<Vec<_>>());
    let twice = |name: &str| {
        let again: Vec<_> = base.iter().copied().filter(|(n, _)| *n == name).collect();
        asks(&[&base[..], &again].concat())
    };
    let sized = |length: &str, data: &[&[u8]]| {
        let mut all = post(1, &[("content-length", length)]);
        for (n, part) in data.iter().enumerate() {
            all.extend(frame(DATA, u8::from(n + 1 == data.len()), 1, part));
        }
        all
    };
    let trailed =
        |flags: u8, fields: &[(&str, &str)]| then(&[&post(1, &[]), &frame(HEADERS, flags, 1, &block(fields))]);
    let codes: &[u32] = &[PROTOCOL_ERROR];
    let cases: Vec<Case> = vec![
        ("8.1 trailers that do not end the stream", trailed(END_HEADERS, &[("a", "b")]), codes),
        ("8.1 an upper-case name in trailers", trailed(WHOLE, &[("X-Test", "1")]), codes),
        ("8.1 connection in trailers", trailed(WHOLE, &[("connection", "close")]), codes),
        ("8.2 an upper-case name", and("X-Test", "1"), codes),
        ("8.2.1 a space in a name", and("x test", "1"), codes),
        ("8.2.1 a colon in a name", and("x:test", "1"), codes),
        ("8.2.1 an empty name", and("", "1"), codes),
        ("8.2.1 NUL in a value", and("x", "1\0"), codes),
        ("8.2.1 LF in a value", and("x", "1\n2"), codes),
        ("8.2.1 CR in a value", and("x", "1\r2"), codes),
        ("8.2.2 connection", and("connection", "keep-alive"), codes),
        ("8.2.2 keep-alive", and("keep-alive", "1"), codes),
        ("8.2.2 proxy-connection", and("proxy-connection", "keep-alive"), codes),
        ("8.2.2 transfer-encoding", and("transfer-encoding", "chunked"), codes),
        ("8.2.2 upgrade", and("upgrade", "h2c"), codes),
        ("8.2.2 te other than trailers", and("te", "trailers, deflate"), codes),
        ("8.3 an unknown pseudo-header", asks(&[&base[..], &[(":test", "1")]].concat()), codes),
        ("8.3 a pseudo-header of answers", asks(&[&base[..], &[(":status", "200")]].concat()), codes),
        ("8.3 one after a header", asks(&[(":method", "GET"), (":scheme", "http"), ("x", "1"), (":path", "/")]), codes),
        ("8.3.1 no :method", without(":method"), codes),
        ("8.3.1 no :scheme", without(":scheme"), codes),
        ("8.3.1 no :path", without(":path"), codes),
        ("8.3.1 two :method", twice(":method"), codes),
        ("8.3.1 two :scheme", twice(":scheme"), codes),
        ("8.3.1 two :path", twice(":path"), codes),
        ("8.3.1 two :authority", twice(":authority"), codes),
        (
            "8.3.1 an empty :path",
            asks(&[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")]),
            codes,
        ),
        ("8.1.1 fewer bytes than the length", sized("3", &[b"ab"]), codes),
        ("8.1.1 more bytes than the length", sized("1", &[b"ab"]), codes),
        ("8.1.1 more bytes in several frames", sized("3", &[b"ab", b"cd"]), codes),
        ("8.1.1 a length and no body", and("content-length", "1"), codes),
        ("8.1.1 a length that is none", sized("x", &[b"ab"]), codes),
        ("8.1.1 a signed length", sized("+2", &[b"ab"]), codes),
        ("8.5 :protocol without leave", asks(&[&base[..], &[(":protocol", "websocket")]].concat()), codes),
    ];
    all_fail(cases).await;
}

#[tokio::test]
async fn what_a_server_must_bear() {
    let gateway = start(echo());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("4.1 an unknown frame", frame(0x16, 0, 0, &[0; 8])),
        ("4.1 an unknown frame on a stream", frame(0x16, 0xff, 1, &[0; 8])),
        ("4.1 unknown flags", frame(PING, 0x16, 0, &[0; 8])),
        ("4.1 the reserved bit", frame(PING, 0, 1 << 31, &[0; 8])),
        ("5.1 PRIORITY on an idle stream", frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 9])),
        ("6.5.2 an unknown setting", frame(SETTINGS, 0, 0, &setting(0xff, 1))),
        ("6.5.3 a setting twice", frame(SETTINGS, 0, 0, &[setting(4, 100), setting(4, 1 << 20)].concat())),
        ("6.7 a PING that nobody asked for", frame(PING, ACK, 0, b"unwanted")),
        ("7 an unknown code of an error", then(&[&post(1, &[]), &reset(1, 0xff)])),
        ("8.2.3 cookies in crumbs", {
            frame(HEADERS, WHOLE, 1, &request("GET", "/", &[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]))
        }),
        ("6.2 padding and a priority", {
            let payload = [&[3, 0, 0, 0, 0, 9], &request("GET", "/", &[])[..], &[0; 3]].concat();
            frame(HEADERS, WHOLE | PADDED | PRIORITISED, 1, &payload)
        }),
    ];
    for (why, bytes) in cases {
        let mut wire = Wire::open(gateway.address()).await;
        wire.send(&bytes).await;
        wire.send(&get(9)).await;
        let mut answered = false;
        while let Some(frame) = wire.next().await {
            assert!(frame.kind != GOAWAY, "{why}: {frame:?}");
            if frame.stream == 9 && frame.ends() {
                answered = true;
                break;
            }
        }
        assert!(answered, "{why}: the connection closed");
    }
}

#[tokio::test]
async fn settings_and_pings_are_acknowledged() {
    let gateway = start(echo());
    let mut wire = Wire::open(gateway.address()).await;
    wire.send(&frame(PING, 0, 0, b"12345678")).await;
    let mut acknowledged = false;
    loop {
        let frame = wire.next().await.expect("open");
        acknowledged |= frame.kind == SETTINGS && frame.flags == ACK;
        if frame.kind == PING && frame.flags == ACK {
            assert_eq!(frame.payload, b"12345678");
            break;
        }
    }
    assert!(acknowledged, "the settings came first");
}

#[tokio::test]
async fn a_body_goes_only_where_there_is_a_window() {
    let gateway = start(echo());
    // One byte at a time, then a window that settings make negative, then all of it.
    let mut wire = Wire::open_with(gateway.address(), &setting(4, 1)).await;
    wire.send(&get(1)).await;
    let first = wire.until(DATA).await.expect("a frame");
    assert_eq!(first.payload.len(), 1);
    wire.send(&frame(WINDOW_UPDATE, 0, 1, &2u32.to_be_bytes())).await;
    let second = wire.until(DATA).await.expect("a frame");
    assert_eq!(second.payload.len(), 2);
    wire.send(&frame(SETTINGS, 0, 0, &setting(4, 0))).await;
    wire.send(&frame(WINDOW_UPDATE, 0, 1, &3u32.to_be_bytes())).await;
    let third = wire.until(DATA).await.expect("a frame");
    assert_eq!(third.payload.len(), 2, "one of the three made up for the setting");
    wire.send(&frame(SETTINGS, 0, 0, &setting(4, 1000))).await;
    let Ended::Answered(_, last) = wire.ended(1).await else { panic!("not answered") };
    let all = [first.payload, second.payload, third.payload, last.into_bytes()].concat();
    assert_eq!(String::from_utf8_lossy(&all), "GET http://a/ ");
}

#[tokio::test]
async fn no_more_streams_at_once_than_were_announced() {
    let waiting = common::door(|_| std::future::pending());
    let limits = weft_gateway::Limits { streams: 3, ..weft_gateway::Limits::default() };
    let gateway = weft_gateway::Gateway::new(waiting, common::catch_all()).limits(limits).serve(common::local());
    let mut wire = Wire::open(gateway.address()).await;
    let settings = wire.until(SETTINGS).await.expect("settings");
    let announced = settings.payload.chunks(6).find(|one| one[..2] == [0, 3]).expect("announced");
    assert_eq!(announced[2..], [0, 0, 0, 3]);
    for stream in [1, 3, 5, 7] {
        wire.send(&get(stream)).await;
    }
    let refused = wire.until(RST_STREAM).await.expect("refused");
    assert_eq!((refused.stream, refused.code()), (7, REFUSED_STREAM));
}
