//! Routes to services that are not WebAssembly, as a client of a real node meets them.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
};

use support::{
    Node, connect,
    proxy::{BEGIN, Proxy, code, folder, legacy, message, refused, until},
    read, request, run,
    service::{Service, Then, answer, head, reset},
};

/// Asks over one connection, again and again, until it is told to stop. Every answer must be 200.
fn keep_asking(url: &str, method: &'static str, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    let (url, stop) = (url.to_owned(), Arc::clone(stop));
    std::thread::spawn(move || {
        let text = format!("{method} /x HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\n\r\n");
        let mut stream = BufReader::new(connect(&url));
        let mut answers = 0;
        while !stop.load(SeqCst) {
            stream.get_mut().write_all(text.as_bytes()).expect("sent");
            let response = read(&mut stream).unwrap_or_else(|| panic!("{method} {answers} was not answered"));
            assert_eq!(response.status, 200, "{method} {answers}: {response:?}");
            answers += 1;
        }
        answers
    })
}

#[test]
fn a_request_is_passed_on_with_who_asked_and_the_answer_comes_back_as_it_is() {
    let service = Service::start(|asked, stream| {
        let text = format!("{} {}\n{}{}", asked.method, asked.path, asked.head, String::from_utf8_lossy(&asked.body));
        let head = format!("HTTP/1.1 418 Short\r\nx-theirs: 1\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(head.as_bytes()).map_or(Then::Close, |()| Then::Next)
    });
    let manifest = format!("[[route]]\npath = \"/*\"\nupstream = [\"{}/\"]\n", service.url());
    let proxy = Proxy::start(&manifest);
    let text = "POST /a%20b?c=d HTTP/1.1\r\nhost: shop.example\r\nx-forwarded-for: 6.6.6.6\r\nconnection: close, x-private\r\n\
                x-private: 1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let response = request(&proxy.node.url, text);
    assert_eq!((response.status, response.head.contains("x-theirs: 1")), (418, true), "{response:?}");
    assert!(!response.head.contains("weft-error"), "{response:?}");
    let lines: Vec<&str> = response.body.lines().collect();
    assert_eq!(lines[0], "POST /a%20b?c=d");
    for wanted in ["x-forwarded-for: 127.0.0.1", "x-forwarded-host: shop.example", "x-forwarded-proto: http"] {
        assert!(lines.contains(&wanted), "{wanted} in {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("traceparent: 00-")), "{lines:#?}");
    assert!(!response.body.contains("6.6.6.6") && !response.body.contains("x-private"), "{lines:#?}");
    assert!(response.body.ends_with("hello"), "{lines:#?}");
}

#[test]
fn of_two_endpoints_one_dies_is_ejected_and_no_idempotent_request_fails() {
    let (stays, dies) = (Service::says("stays"), Service::says("dies"));
    let ejection = "ejection = { failures = 1, sweep = \"200ms\", time = \"60s\" }";
    let proxy = Proxy::start(&legacy(&[&stays, &dies], ejection));
    let stop = Arc::new(AtomicBool::new(false));
    let askers: Vec<_> =
        ["GET", "PUT", "GET", "DELETE"].map(|method| keep_asking(&proxy.node.url, method, &stop)).into();
    until("both are asked", || stays.seen() > 100 && dies.seen() > 100);
    let address = dies.address;
    drop(dies);
    let after = stays.seen();
    until("the other goes on", || stays.seen() > after + 1_000);
    // What is refused there is nowhere else: it has been taken out, and comes back with a port of its own.
    let back = Service::says("back");
    assert_ne!(back.address, address);
    stop.store(true, SeqCst);
    let answers: usize = askers.into_iter().map(|asker| asker.join().expect("every answer was 200")).sum();
    assert!(answers > 1_200, "{answers}");
}

#[test]
fn a_post_is_sent_once_unless_it_provably_did_not_arrive() {
    let resets = Service::start(|_, stream| reset(stream));
    let proxy = Proxy::to(&resets, "");
    let lost = proxy.ask("POST", "/", "pay");
    assert_eq!((lost.status, code(&lost), resets.seen()), (502, "upstream-lost", 1));
    // A GET is asked again, twice.
    let lost = proxy.ask("GET", "/", "");
    assert_eq!((lost.status, code(&lost), resets.seen()), (502, "upstream-lost", 4));

    let refuses = Service::says("never");
    let good = Service::start(|asked, stream| answer(stream, 200, &String::from_utf8_lossy(&asked.body)));
    let manifest = legacy(&[&refuses, &good], "");
    drop(refuses);
    let proxy = Proxy::start(&manifest);
    for n in 0..20 {
        let text = format!("pay {n}");
        let paid = proxy.ask("POST", "/", &text);
        assert_eq!((paid.status, paid.body.as_str()), (200, text.as_str()), "nobody listened: nothing was sent");
    }
    assert_eq!(good.seen(), 20);

    let sheds = Service::start(|_, stream| answer(stream, 503, "busy"));
    let proxy = Proxy::to(&sheds, "");
    let shed = proxy.ask("POST", "/", "pay");
    assert_eq!((shed.status, shed.body.as_str(), sheds.seen()), (503, "busy", 1), "their own 503 passes as it is");
}

/// A service that fails until it is told otherwise; then it says when it is asked, and answers when it may.
fn failing() -> (Service, Arc<AtomicBool>, Receiver<()>, Sender<()>) {
    let healed = Arc::new(AtomicBool::new(false));
    let (asked, is_asked) = channel();
    let (may, waits) = channel();
    let waits = Mutex::new(waits);
    let is_healed = Arc::clone(&healed);
    let service = Service::start(move |_, stream| match is_healed.load(SeqCst) {
        false => answer(stream, 500, "broken"),
        true => {
            let _ = asked.send(());
            let _ = waits.lock().expect("whole").recv();
            answer(stream, 200, "well")
        }
    });
    (service, healed, is_asked, may)
}

#[test]
fn the_breaker_opens_asks_with_one_call_and_heals() {
    let (service, healed, is_asked, may) = failing();
    let proxy = Proxy::to(&service, "policy = { breaker = { open = \"300ms\" } }");
    for _ in 0..7 {
        assert_eq!(proxy.ask("GET", "/", "").body, "broken");
    }
    let refused = proxy.ask("GET", "/", "");
    assert_eq!((refused.status, code(&refused), service.seen()), (503, "breaker-open", 7));
    assert!(refused.head.contains("retry-after: "), "{refused:?}");

    healed.store(true, SeqCst);
    let url = proxy.node.url.clone();
    // Whoever comes first after it was open is the one call.
    let probe = std::thread::spawn(move || {
        loop {
            let response = request(&url, &message("GET", "/probe", ""));
            if response.status == 200 {
                return response;
            }
            assert_eq!(code(&response), "breaker-open");
        }
    });
    is_asked.recv_timeout(support::PATIENCE).expect("one call is sent");
    for _ in 0..20 {
        let refused = proxy.ask("GET", "/", "");
        assert_eq!(code(&refused), "breaker-open", "while one is under way nobody else is let through");
    }
    assert_eq!(service.seen(), 8);
    may.send(()).expect("waits");
    assert_eq!(probe.join().expect("answered").body, "well");
    may.send(()).expect("waits");
    assert_eq!(proxy.ask("GET", "/", "").status, 200, "closed again");
    assert_eq!(service.seen(), 9);
}

#[test]
fn who_never_answers_is_given_up_at_the_deadline() {
    let service = Service::raw(([127, 0, 0, 1], 0).into(), |mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let proxy = Proxy::to(&service, "policy = { timeout = \"300ms\" }");
    let late = proxy.ask("GET", "/", "");
    assert_eq!((late.status, code(&late)), (504, "deadline-exceeded"));
    assert_eq!(service.connections(), 1, "too late is not asked again");
}

#[test]
fn a_body_that_breaks_off_never_looks_whole_and_the_log_says_why() {
    for (bytes, resets, why) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", true, "upstream-lost"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", false, "upstream-lost"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
            false,
            "upstream-bad-answer",
        ),
    ] {
        let (read_half, half_is_read) = channel::<()>();
        let half_is_read = Mutex::new(half_is_read);
        let service = Service::start(move |_, stream| {
            let _ = stream.write_all(bytes.as_bytes());
            if resets {
                // A reset would take away what has not been read.
                let _ = half_is_read.lock().expect("whole").recv();
                return reset(stream);
            }
            Then::Close
        });
        let mut proxy = Proxy::to(&service, "");
        let mut stream = connect(&proxy.node.url);
        stream.write_all(message("GET", "/", "").as_bytes()).expect("sent");
        let mut from = BufReader::new(stream);
        if resets {
            let head = head(&mut from).expect("a head");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let mut half = [0; 4];
            from.read_exact(&mut half).expect("half");
            read_half.send(()).expect("waits");
            let mut rest = Vec::new();
            let _ = from.read_to_end(&mut rest);
            assert!(rest.len() < 96, "{rest:?}");
        } else {
            assert!(read(&mut from).is_none(), "{why}: it looked whole");
        }
        let line = proxy.node.says("answer broke off");
        assert!(line.contains(why), "{line}");
        assert_eq!(service.seen(), 1, "a body is never asked for again");
    }
}

#[test]
fn an_answer_that_is_no_http_is_refused() {
    let flood = "HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n".repeat(100);
    let cases = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_owned(),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        flood,
    ];
    for bytes in cases {
        let begins: String = bytes.chars().take(40).collect();
        let service = Service::start(move |_, stream| {
            let _ = stream.write_all(bytes.as_bytes());
            Then::Close
        });
        let proxy = Proxy::to(&service, "");
        let refused = proxy.ask("GET", "/", "");
        assert_eq!((refused.status, code(&refused)), (502, "upstream-bad-answer"), "{begins}");
        assert_eq!(service.seen(), 1, "{begins}");
    }
}

#[test]
fn an_answer_that_comes_before_the_body_was_read_is_passed_on() {
    let service = Service::raw(([127, 0, 0, 1], 0).into(), |stream| {
        let mut from = BufReader::new(stream);
        while head(&mut from).is_some() {
            let _ =
                from.get_mut().write_all(b"HTTP/1.1 413 Much\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmuch");
            // Reads on, and throws it away.
            let _ = std::io::copy(&mut from, &mut std::io::sink());
        }
    });
    let proxy = Proxy::to(&service, "");
    let mut stream = connect(&proxy.node.url);
    let head = "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&[b'x'; 1000]).expect("sent");
    let answer = read(&mut BufReader::new(stream)).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (413, "much"));
}

#[test]
fn routes_are_swapped_without_one_failed_request_and_keep_connections_and_breaker() {
    let service = Service::says("hello");
    let (data, folder) = (tempfile::tempdir().expect("folder"), folder(&legacy(&[&service], "")));
    let mut node = Node::start(&["up", folder.path().to_str().expect("text")], data.path());
    let stop = Arc::new(AtomicBool::new(false));
    let askers: Vec<_> = ["GET", "POST", "GET"].map(|method| keep_asking(&node.url, method, &stop)).into();
    until("it is asked", || service.seen() > 50);
    let connections = service.connections();
    for n in 0..5 {
        let more = format!("\n[[route]]\npath = \"/more-{n}\"\nupstream = [\"{}\"]\n", service.url());
        let text = format!("{BEGIN}{}{more}", legacy(&[&service], ""));
        fs::write(folder.path().join("weft.toml"), text).expect("written");
        node.says("\"swapped\"");
        let before = service.seen();
        until("it is asked after the swap", || service.seen() > before + 50);
    }
    assert!(service.connections() <= connections + 3, "{} and then {}", connections, service.connections());
    // The same name, another place: requests under way end where they began.
    let other = Service::says("other");
    fs::write(folder.path().join("weft.toml"), format!("{BEGIN}{}", legacy(&[&other], ""))).expect("written");
    node.says("\"swapped\"");
    until("the other is asked", || other.seen() > 50);
    stop.store(true, SeqCst);
    for asker in askers {
        asker.join().expect("every answer was 200");
    }
}

#[test]
fn places_are_bounded_and_given_on_when_the_last_byte_has_gone() {
    let (may, waits) = channel::<()>();
    let waits = Mutex::new(waits);
    let service = Service::start(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha");
        let _ = waits.lock().expect("whole").recv();
        let _ = stream.write_all(b"lf");
        Then::Next
    });
    let proxy = Proxy::to(&service, "policy = { concurrency = 1, queue = 0 }");
    let mut inside: BufReader<TcpStream> = BufReader::new(connect(&proxy.node.url));
    inside.get_mut().write_all(message("GET", "/", "").as_bytes()).expect("sent");
    let mut line = String::new();
    inside.read_line(&mut line).expect("a head");
    let shed = proxy.ask("GET", "/", "");
    assert_eq!((shed.status, code(&shed), service.seen()), (503, "overloaded", 1));
    may.send(()).expect("waits");
    let mut rest = String::new();
    inside.read_to_string(&mut rest).expect("the rest");
    assert!(rest.ends_with("half"), "{rest}");
    drop(may);
    until("the place is given on", || proxy.ask("GET", "/", "").status == 200);
}

#[test]
fn explain_says_where_a_request_goes_and_by_which_policy() {
    let service = Service::says("hello");
    let route_policy = "policy = { retry = { max = 1 }, timeout = \"2s\" }\n";
    let upstream = "slow-start = \"30s\"\npolicy = { breaker = { failures = 3 } }";
    let proxy = Proxy::start(&(legacy(&[&service], upstream) + route_policy));
    let (code, out, _) = run(&["explain", "GET", "/x", "--data", proxy.data.path().to_str().expect("text")]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("upstream legacy"), "{out}");
    let line = |field: &str| {
        let found = out.lines().find(|line| line.trim_start().starts_with(field));
        found.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    for (field, value, origin) in [
        ("timeout", "2s", "(route "),
        ("retry.max", "1", "(route "),
        ("retry.budget", "20%", "(default)"),
        ("breaker.failures", "3", "(upstream legacy)"),
        ("breaker.open", "1s", "(default)"),
        ("balance.slow-start", "30s", "(upstream legacy)"),
    ] {
        let line = line(field);
        assert!(line.starts_with(&format!("{field} {value} ")) && line.contains(origin), "{line} in {out}");
    }
}

#[test]
fn check_refuses_what_cannot_be_and_says_where() {
    let cases = [
        ("[[route]]\npath = \"/\"\nupstream = [\"ftp://a\"]\n", "manifest-type", "http://"),
        ("[[route]]\npath = \"/\"\nupstream = []\n", "manifest-type", "1 to 256 endpoints"),
        ("[[route]]\npath = \"/\"\nupstream = [\"http://a\", \"http://A:80/\"]\n", "manifest-duplicate", "twice"),
        ("[[route]]\npath = \"/\"\nupstream = \"http://a\"\n", "manifest-reference", "upstream = [\"http://a\"]"),
        (
            "[upstream.legacy]\nendpoints = [\"http://a\"]\n[[route]]\npath = \"/\"\nupstream = \"legasy\"\n",
            "manifest-reference",
            "did you mean `legacy`",
        ),
        ("[upstream.legacy]\nendpoints = [{ url = \"http://a\", weight = 0 }]\n", "manifest-type", "weight of 0"),
        (
            "[upstream.legacy]\nendpoints = [\"http://a\"]\n[[route]]\npath = \"/\"\nupstream = \"legacy\"\n\
             policy = { breaker = { calls = 2 } }\n",
            "manifest-unsupported",
            "[upstream.legacy]",
        ),
    ];
    for (manifest, code, says) in cases {
        refused(manifest, code, says);
    }
    let counted = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&counted);
    let service = Service::raw(([127, 0, 0, 1], 0).into(), move |_| {
        seen.fetch_add(1, SeqCst);
    });
    let folder = folder(&legacy(&[&service], ""));
    let (exit, out, err) = run(&["check", folder.path().to_str().expect("text")]);
    assert_eq!((exit, counted.load(SeqCst)), (0, 0), "nothing is connected to: {out}{err}");
}

#[test]
fn who_leaves_lets_the_service_know() {
    let (gone, is_gone) = channel();
    let service = Service::start(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
        // The end of the connection, and not the next request.
        let _ = gone.send(stream.read(&mut [0]).unwrap_or_default());
        Then::Close
    });
    let proxy = Proxy::to(&service, "");
    let mut stream = connect(&proxy.node.url);
    stream.write_all(message("GET", "/", "").as_bytes()).expect("sent");
    let mut from = BufReader::new(stream);
    head(&mut from).expect("a head");
    drop(from);
    assert_eq!(is_gone.recv_timeout(support::PATIENCE), Ok(0));
}

#[test]
fn status_and_metrics_say_how_upstreams_stand() {
    let (good, refuses) = (Service::says("hello"), Service::says("never"));
    let dead = refuses.url();
    let manifest = legacy(&[&good, &refuses], "ejection = { failures = 1, time = \"60s\" }");
    drop(refuses);
    let proxy = Proxy::start(&manifest);
    let value = |parts: &[&str]| {
        let text = proxy.node.admin_get("/metrics", None).body;
        let line = text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{parts:?}: {text}"))
    };
    let of_dead = format!("endpoint=\"{dead}\"");
    until("the dead one is asked", || {
        assert_eq!(proxy.ask("GET", "/", "").body, "hello");
        value(&["weft_upstream_ejections_total", &of_dead]) > 0.0
    });
    assert_eq!(value(&["weft_upstream_tries_total", &of_dead, "class=\"failure\""]), 1.0);
    assert_eq!(value(&["weft_upstream_endpoint_up", &of_dead]), 0.0);
    assert_eq!(value(&["weft_upstream_retries_total", "upstream=\"legacy\""]), 1.0);
    assert_eq!(value(&["weft_breaker_state", "state=\"closed\""]), 1.0);
    assert_eq!(value(&["weft_upstream_tries_total", &good.url(), "class=\"ok\""]), good.seen() as f64);
    let (exit, out, _) = run(&["status", "--data", proxy.data.path().to_str().expect("text")]);
    assert_eq!(exit, 0, "{out}");
    assert!(out.contains("upstreams of shop") && out.contains("breaker closed"), "{out}");
    let line = |url: &str| out.lines().find(|line| line.contains(url)).expect("the endpoint").to_owned();
    assert!(line(&dead).contains("ejected") && line(&good.url()).contains("in use"), "{out}");
    let (_, out, _) = run(&["explain", "GET", "/x", "--data", proxy.data.path().to_str().expect("text")]);
    assert!(out.contains("breaker closed") && out.contains("ejected"), "{out}");
}

#[test]
fn who_is_not_well_takes_no_calls_and_begins_slowly_when_it_is() {
    let well = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let (is_well, counted) = (Arc::clone(&well), Arc::clone(&calls));
    let sick = Service::start(move |asked, stream| match (asked.path.as_str(), is_well.load(SeqCst)) {
        ("/healthz", false) => answer(stream, 503, "no"),
        ("/healthz", true) => answer(stream, 200, "yes"),
        _ => {
            counted.fetch_add(1, SeqCst);
            answer(stream, 200, "sick")
        }
    });
    let good = Service::says("good");
    let health = "health = { path = \"/healthz\", interval = \"20ms\", timeout = \"5s\" }\nslow-start = \"20ms\"";
    let mut proxy = Proxy::start(&legacy(&[&sick, &good], health));
    proxy.node.says("an endpoint is not well");
    let before = calls.load(SeqCst);
    for _ in 0..30 {
        assert_eq!(proxy.ask("GET", "/", "").body, "good");
    }
    assert_eq!(calls.load(SeqCst), before);
    well.store(true, SeqCst);
    until("it is used again", || proxy.ask("GET", "/", "").body == "sick");
}
