//! Misbehaves on request, by path. WASI 0.2. `/ok` behaves.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};

struct Faults;

wasip2::http::proxy::export!(Faults);

/// Lives as long as the instance: shows who shares one.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Faults {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (path, value) = kit_p2::target(&request);
        match path.as_str() {
            "/ok" => kit_p2::respond(out, 200, "ok\n"),
            "/trap" => core::arch::wasm32::unreachable(),
            "/panic" => panic!("asked to panic"),
            "/exit" => std::process::exit(value.parse().unwrap_or(3)),
            "/loop" => spin(),
            "/recurse" => kit_p2::respond(out, 200, &recurse(1).to_string()),
            "/grow" => grow(),
            "/no-response" => drop(out),
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("asked to fail".to_owned())))),
            "/bad-header" => bad_header(out),
            "/half-body" => half_body(out, false),
            "/half-loop" => half_body(out, true),
            "/short-body" => short_body(out),
            "/sleep" => {
                std::thread::sleep(Duration::from_millis(value.parse().unwrap_or(0)));
                kit_p2::respond(out, 200, "slept\n");
            }
            "/work" => {
                work(value.parse().unwrap_or(0));
                kit_p2::respond(out, 200, "done\n");
            }
            "/wait" => {
                std::thread::sleep(Duration::from_millis(value.parse().unwrap_or(0)));
                work(1);
                kit_p2::respond(out, 200, "waited\n");
            }
            "/status" => kit_p2::respond(out, value.parse().unwrap_or(200), "as asked\n"),
            "/big" => big(out, value.parse().unwrap_or(0)),
            "/sink" => sink(&request, out),
            "/random" => kit_p2::respond(out, 200, &format!("{:x}\n", drawn())),
            "/count" => kit_p2::respond(out, 200, &format!("{}\n", COUNT.fetch_add(1, Ordering::Relaxed) + 1)),
            "/headers" => kit_p2::respond(out, 200, &lines(&request.headers())),
            "/env" => kit_p2::respond(out, 200, &env(&value)),
            "/fs" => fs(out, &value),
            "/print" => {
                println!("{value} on stdout");
                eprintln!("{value} on stderr");
                kit_p2::respond(out, 200, "printed\n");
            }
            "/leak" => leak(&value, out),
            "/outbound" => outbound(out, &kit_p2::decode(&value)),
            _ => kit_p2::respond(out, 404, "no such fault\n"),
        }
    }
}

/// So many half million steps: about so many half milliseconds of a core of today.
fn work(halves: u64) {
    std::hint::black_box((0..halves * 500_000).fold(1_u64, |n, i| std::hint::black_box(n.wrapping_mul(31).wrapping_add(i))));
}

fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

fn recurse(depth: u64) -> u64 {
    std::hint::black_box(if depth == u64::MAX { depth } else { recurse(depth + 1) + 1 })
}

/// Takes memory, and touches it, until there is none.
fn grow() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1u8; 1 << 20]);
        std::hint::black_box(&kept);
    }
}

/// A value that no HTTP message can hold: the host refuses it, and the trap that follows is the guest's.
fn bad_header(out: ResponseOutparam) {
    let fields = Fields::new();
    fields.append("x-bad", b"one\r\ntwo: three").expect("the host accepted a line break in a header");
    ResponseOutparam::set(out, Ok(OutgoingResponse::new(fields)));
}

fn half_body(out: ResponseOutparam, looping: bool) {
    let body = kit_p2::begin(out, 200, &[("content-type", "text/plain")]);
    let stream = body.write().expect("the stream is taken once");
    kit_p2::write(&stream, b"the first half\n");
    let _ = stream.blocking_flush();
    if looping {
        spin();
    }
    core::arch::wasm32::unreachable()
}

/// Promises ten bytes and sends four.
fn short_body(out: ResponseOutparam) {
    let body = kit_p2::begin(out, 200, &[("content-length", "10")]);
    let stream = body.write().expect("the stream is taken once");
    kit_p2::write(&stream, b"four");
    kit_p2::finish(body, stream, None);
}

fn big(out: ResponseOutparam, bytes: u64) {
    let body = kit_p2::begin(out, 200, &[("content-type", "application/octet-stream")]);
    let stream = body.write().expect("the stream is taken once");
    let chunk = [b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let take = left.min(chunk.len() as u64);
        if !kit_p2::write(&stream, &chunk[..take as usize]) {
            return;
        }
        left -= take;
    }
    kit_p2::finish(body, stream, None);
}

/// Reads the whole body without keeping it and answers with its length.
fn sink(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut total = 0;
    while let Some(chunk) = kit_p2::read(&stream) {
        total += chunk.len();
    }
    kit_p2::respond(out, 200, &format!("{total}\n"));
}

fn lines(fields: &Fields) -> String {
    let line = |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    fields.entries().into_iter().map(line).collect()
}

/// One variable, or all of them, sorted.
fn env(name: &str) -> String {
    if !name.is_empty() {
        return std::env::var(name).map_or_else(|_| "unset\n".to_owned(), |value| format!("{value}\n"));
    }
    let mut all: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
    all.sort();
    all.concat()
}

/// Says its secret, the variable `SECRET`, in every way in which a guest can fail or speak; with an escape and a line
/// that it would like to begin.
fn leak(how: &str, out: ResponseOutparam) {
    let said = format!("\u{1b}[31m{}\n{{\"forged\":true}}", std::env::var("SECRET").unwrap_or_default());
    match how {
        "panic" => panic!("{said}"),
        "stdout" => println!("{said}"),
        "stderr" => eprintln!("{said}"),
        "error" => return ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(said)))),
        "half" => {
            let body = kit_p2::begin(out, 200, &[("content-type", "text/plain")]);
            let stream = body.write().expect("the stream is taken once");
            kit_p2::write(&stream, b"the first half\n");
            let _ = stream.blocking_flush();
            panic!("{said}");
        }
        _ => {}
    }
    kit_p2::respond(out, 200, "said\n");
}

/// `/fs?PATH` reads, `/fs?PATH=TEXT` writes.
fn fs(out: ResponseOutparam, value: &str) {
    let done = match value.split_once('=') {
        Some((path, text)) => {
            std::fs::write(kit_p2::decode(path), kit_p2::decode(text)).map(|()| "written\n".to_owned())
        }
        None => std::fs::read_to_string(kit_p2::decode(value)),
    };
    match done {
        Ok(text) => kit_p2::respond(out, 200, &text),
        Err(error) => kit_p2::respond(out, 500, &format!("{error}\n")),
    }
}

/// Fetches an absolute URL and answers with what came: `status`, a line, the body.
fn outbound(out: ResponseOutparam, url: &str) {
    match fetch(url) {
        Ok(text) => kit_p2::respond(out, 200, &text),
        Err(error) => kit_p2::respond(out, 502, &format!("{error:?}\n")),
    }
}

fn fetch(url: &str) -> Result<String, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let set = request
        .set_method(&Method::Get)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let body = request.body().expect("the body is taken once");
    let future = wasip2::http::outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is taken once")?;
    let body = response.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut all = Vec::new();
    while let Some(chunk) = kit_p2::read(&stream) {
        all.extend(chunk);
    }
    Ok(format!("{}\n{}", response.status(), String::from_utf8_lossy(&all)))
}

/// What the standard library draws for the keys of its maps, hashed.
fn drawn() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}
