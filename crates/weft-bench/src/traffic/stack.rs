//! `stack/cpu`, `stack/p50`: one route with a cached token, a rate limit and a breaker, over the same route without.
//!
//! Metrics and the span are on both: nothing turns them off. Both are asked with the same head, token and all.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use super::{
    Found,
    open::{self, At, PATIENCE},
    proxies::{up, write},
};
use crate::{
    args::{Args, guest},
    figure::Figure,
    load::{self, Ask},
    server::Server,
    turns::one,
};

const SECRET: &str = "a secret of the benchmark, 32 bytes or more";
/// Requests a second at which the latency is read.
const RATE: f64 = 2_000.0;
const MANIFEST: &str = r#"manifest = 1
name = "stack"

[auth.staff.jwt]
issuer = "bench"
audience = ["stack"]
algorithms = ["HS256"]
secret = "bench"

[component.bare]
source = "hello.wasm"
isolation = "instance"

[component.full]
source = "hello.wasm"
isolation = "instance"
policy = { breaker = {} }

[[route]]
path = "/bare"
component = "bare"

[[route]]
path = "/full"
component = "full"
policy = { auth = "staff", rate-limit = { rate = "1000000/s", by = "identity" } }
"#;

pub(crate) fn run(args: &Args, found: &mut Found) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let server = start(scratch.path())?;
    let headers = [format!("authorization: Bearer {}", token())];
    let [bare, full] = ["/bare", "/full"].map(|path| Ask { path, headers: &headers });
    refuses_strangers(&server)?;
    eprintln!("stack: {} rounds of {:?} each", args.rounds, args.turn);
    for ask in [bare, full] {
        load::turn(server.address, ask, Duration::from_secs(1))?;
    }
    let (mut cpu, mut p50) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let order = if round % 2 == 0 { [bare, full] } else { [full, bare] };
        let mut turns = Vec::new();
        for ask in order {
            let at = At { ask, rate: RATE, lasting: args.turn, connections: 16, patience: PATIENCE };
            turns.push((one(&server, ask, args.turn)?.cpu, open::load(server.address, at)?.whole()?.p50 * 1e3));
        }
        let (b, f) = if round % 2 == 0 { (turns[0], turns[1]) } else { (turns[1], turns[0]) };
        cpu.push(f.0 - b.0);
        p50.push(f.1 - b.1);
    }
    found.figures.push(Figure::of("stack/cpu", "µs", &cpu, Some(3.0)));
    found.figures.push(Figure::of("stack/p50", "µs", &p50, Some(5.0)));
    Ok(())
}

fn start(scratch: &Path) -> Result<Server, String> {
    let folder = scratch.join("stack");
    write(&folder.join("weft.toml"), MANIFEST)?;
    std::fs::copy(guest("hello-p2.wasm")?, folder.join("hello.wasm")).map_err(|e| e.to_string())?;
    let secrets = scratch.join("secrets.toml");
    write(&secrets, &format!("bench = \"{SECRET}\"\n"))?;
    private(&secrets)?;
    let node = scratch.join("node.toml");
    write(&node, "node = 1\n\n[secrets]\nfile = \"secrets.toml\"\n")?;
    up(&folder, Some(&node))
}

fn private(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).map_err(|e| e.to_string())
}

/// A guard that lets everybody in costs nothing.
fn refuses_strangers(server: &Server) -> Result<(), String> {
    match server.get("/full")?.0 {
        401 => Ok(()),
        status => Err(format!("without a token, /full answered {status}")),
    }
}

/// Good for as long as a benchmark can take.
fn token() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = format!(r#"{{"iss":"bench","aud":"stack","sub":"alice","exp":{}}}"#, now + 86_400);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}
