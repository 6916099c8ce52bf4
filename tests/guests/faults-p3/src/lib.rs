//! Misbehaves on request, by path. WASI 0.3. `/ok` behaves.

use std::sync::atomic::{AtomicU64, Ordering};

use wasip3::{
    clocks::monotonic_clock,
    http::types::{ErrorCode, Fields, Method, Request, Response, Scheme},
    wit_bindgen::{self, StreamResult},
    wit_future,
};

struct Faults;

wasip3::http::service::export!(Faults);

/// Lives as long as the instance: shows who shares one.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Calls of `/sleep` and `/together` that are in this instance now.
static INSIDE: AtomicU64 = AtomicU64::new(0);

impl wasip3::exports::http::handler::Guest for Faults {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (path, value) = kit_p3::target(&request);
        let response = match path.as_str() {
            "/ok" => kit_p3::text(200, "ok\n"),
            "/trap" => core::arch::wasm32::unreachable(),
            "/wait-trap" => {
                sleep(&value).await;
                core::arch::wasm32::unreachable()
            }
            "/panic" => panic!("asked to panic"),
            "/exit" => std::process::exit(value.parse().unwrap_or(3)),
            "/loop" => spin(),
            "/grow" => grow(),
            "/error" => return Err(ErrorCode::InternalError(Some("asked to fail".to_owned()))),
            "/no-response" => std::future::pending().await,
            "/bad-header" => bad_header(),
            "/half-body" => half_body(false),
            "/half-loop" => half_body(true),
            "/short-body" => short_body(),
            "/sleep" => {
                sleep(&value).await;
                kit_p3::text(200, "slept\n")
            }
            // How many were here at once, as this call saw it on entering.
            "/together" => {
                let inside = INSIDE.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(&value).await;
                INSIDE.fetch_sub(1, Ordering::Relaxed);
                kit_p3::text(200, format!("{inside}\n"))
            }
            "/status" => kit_p3::text(value.parse().unwrap_or(200), "as asked\n"),
            // Blocks the whole instance, as a function of WASI 0.2 does.
            "/block" => {
                std::thread::sleep(std::time::Duration::from_millis(value.parse().unwrap_or(0)));
                kit_p3::text(200, "blocked\n")
            }
            // Answers, and then blocks the whole instance.
            "/block-after" => block_after(),
            // `MS:MS`: waits, and then computes.
            "/wait-compute" => {
                let (wait, compute) = value.split_once(':').unwrap_or((&value, "0"));
                sleep(wait).await;
                let end = monotonic_clock::now() + compute.parse::<u64>().unwrap_or(0) * 1_000_000;
                while monotonic_clock::now() < end {}
                kit_p3::text(200, "computed\n")
            }
            "/big" => big(value.parse().unwrap_or(0)),
            "/sink" => sink(request).await,
            "/random" => kit_p3::text(200, format!("{:x}\n", drawn())),
            "/count" => kit_p3::text(200, format!("{}\n", COUNT.fetch_add(1, Ordering::Relaxed) + 1)),
            "/headers" => kit_p3::text(200, lines(&request.get_headers())),
            "/env" => kit_p3::text(200, env(&value)),
            "/print" => {
                println!("{value} on stdout");
                eprintln!("{value} on stderr");
                kit_p3::text(200, "printed\n")
            }
            // `NAME:MS`: prints at its beginning, and after a wait.
            "/diary" => {
                let (name, ms) = value.split_once(':').unwrap_or((&value, "0"));
                println!("{name} begins");
                sleep(ms).await;
                println!("{name} ends");
                kit_p3::text(200, "kept\n")
            }
            "/leak" => match leak(&value) {
                Some(error) => return Err(error),
                None => kit_p3::text(200, "said\n"),
            },
            "/outbound" => match fetch(&value).await {
                Ok(text) => kit_p3::text(200, text),
                Err(error) => kit_p3::text(502, format!("{error:?}\n")),
            },
            _ => kit_p3::text(404, "no such fault\n"),
        };
        Ok(response)
    }
}

/// Says its secret, the variable `SECRET`, in every way in which a guest can fail or speak; with an escape and a line
/// that it would like to begin.
fn leak(how: &str) -> Option<ErrorCode> {
    let said = format!("\u{1b}[31m{}\n{{\"forged\":true}}", std::env::var("SECRET").unwrap_or_default());
    match how {
        "panic" => panic!("{said}"),
        "stdout" => println!("{said}"),
        "stderr" => eprintln!("{said}"),
        "error" => return Some(ErrorCode::InternalError(Some(said))),
        _ => {}
    }
    None
}

fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes memory, and touches it, until there is none.
fn grow() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1u8; 1 << 20]);
        std::hint::black_box(&kept);
    }
}

async fn sleep(ms: &str) {
    monotonic_clock::wait_for(ms.parse::<u64>().unwrap_or(0) * 1_000_000).await;
}

/// A value that no HTTP message can hold: the host refuses it, and the trap that follows is the guest's.
fn bad_header() -> Response {
    let fields = Fields::new();
    fields.append("x-bad", b"one\r\ntwo: three").expect("the host accepted a line break in a header");
    kit_p3::text(200, "not reached\n")
}

fn half_body(looping: bool) -> Response {
    let (response, mut body, _) = kit_p3::begin(200, &[("content-type", "text/plain")]);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"the first half\n".to_vec()).await;
        if looping {
            spin();
        }
        core::arch::wasm32::unreachable()
    });
    response
}

fn block_after() -> Response {
    let (response, mut body, _) = kit_p3::begin(200, &[("content-type", "text/plain")]);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"answered\n".to_vec()).await;
        drop(body);
        std::thread::sleep(std::time::Duration::from_secs(3600));
    });
    response
}

/// Promises ten bytes and sends four.
fn short_body() -> Response {
    let (response, mut body, _) = kit_p3::begin(200, &[("content-length", "10")]);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"four".to_vec()).await;
    });
    response
}

fn big(bytes: u64) -> Response {
    let (response, mut body, _) = kit_p3::begin(200, &[("content-type", "application/octet-stream")]);
    wit_bindgen::spawn_local(async move {
        let mut left = bytes;
        let mut chunk = vec![b'x'; 64 * 1024];
        while left > 0 {
            chunk.resize(left.min(64 * 1024) as usize, b'x');
            left -= chunk.len() as u64;
            chunk = match write(&mut body, chunk).await {
                Some(buffer) => buffer,
                None => return,
            };
        }
    });
    response
}

/// Writes all of it; none when the reader is gone.
async fn write(body: &mut wit_bindgen::StreamWriter<u8>, chunk: Vec<u8>) -> Option<Vec<u8>> {
    let left = body.write_all(chunk).await;
    left.is_empty().then_some(left)
}

/// Reads the whole body without keeping it and answers with its length.
async fn sink(request: Request) -> Response {
    let (result, result_read) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut body, _trailers) = Request::consume_body(request, result_read);
    let mut total = 0;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let (result, mut chunk) = body.read(buffer).await;
        total += chunk.len();
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
        chunk.clear();
        buffer = chunk;
    }
    kit_p3::text(200, format!("{total}\n"))
}

fn lines(fields: &Fields) -> String {
    let line = |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    fields.copy_all().into_iter().map(line).collect()
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

/// Fetches an absolute URL and answers with what came: `status`, a line, the body.
async fn fetch(url: &str) -> Result<String, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(Fields::new(), None, trailers_read, None);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let set = request
        .set_method(&Method::Get)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let response = wasip3::http::client::send(request).await?;
    let status = response.get_status_code();
    let (result, result_read) = wit_future::new(|| Ok(()));
    drop(result);
    let (body, _trailers) = Response::consume_body(response, result_read);
    let all = body.collect().await;
    Ok(format!("{status}\n{}", String::from_utf8_lossy(&all)))
}

/// What the standard library draws for the keys of its maps, hashed.
fn drawn() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}
