//! Logins of browsers: at a provider that we did not write, and at one that lies.

#[allow(dead_code, reason = "not every key is used here")]
#[path = "../../weft-identity/tests/support/sign.rs"]
mod sign;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use sign::{EC, RSA, RSA_PUBLIC, claims_at, encode, header, raw};
use support::{
    Node, Response, application,
    browser::{Browser, field, fields, parameter},
    service::{Service, Then, answer},
    weft,
};
use tempfile::TempDir;

const SECRET: &str = "s3cret+%:";
const CALLBACK: &str = "http://shop.test/.weft/login/staff/callback";
const LOGOUT: &str = "http://shop.test/.weft/login/staff/logout";

/// A provider of npm's `oidc-provider`, in a process of its own.
struct Certified {
    child: Child,
    /// Open for as long as it runs: it has more to say.
    _says: BufReader<ChildStdout>,
    issuer: String,
}

impl Certified {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let modules = root.join(".toolchain/npm/node_modules");
        assert!(modules.join("oidc-provider").is_dir(), "oidc-provider is missing: run `cargo xtask setup`");
        let mut child = Command::new("node")
            .arg(root.join("tests/idp/provider.mjs"))
            .arg(&modules)
            .args(["shop", SECRET, CALLBACK, "http://shop.test/"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts: install Node.js 20 or later");
        let mut issuer = String::new();
        let mut says = BufReader::new(child.stdout.take().expect("piped"));
        says.read_line(&mut issuer).expect("a line");
        assert!(issuer.starts_with("http://127.0.0.1:"), "{issuer}");
        Self { child, _says: says, issuer: issuer.trim().to_owned() }
    }
}

impl Drop for Certified {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node with a page for nobody, and all others behind a login.
struct Shop {
    node: Node,
    folder: TempDir,
    data: TempDir,
}

impl Shop {
    fn start(issuer: &str, more: &str) -> Self {
        let folder = application("shop", "path = \"/*\"\npolicy = { auth = \"staff\" }", "mirror-p2.wasm");
        let manifest = folder.path().join("weft.toml");
        let text = fs::read_to_string(&manifest).expect("there");
        let rest = format!(
            "[[route]]\npath = \"/open\"\ncomponent = \"api\"\n[[route]]\npath = \"/admin\"\ncomponent = \"api\"\n\
             policy = {{ auth = {{ any = [\"staff\"], roles = [\"admin\"] }} }}\n[[route]]\npath = \"/root\"\ncomponent = \"api\"\n\
             policy = {{ auth = {{ any = [\"staff\"], roles = [\"root\"] }} }}\n[[route]]\npath = \"/maybe\"\ncomponent = \"api\"\n\
             policy = {{ auth = {{ any = [\"staff\"], optional = true }} }}\n[auth.staff.oidc]\nissuer = \"{issuer}\"\n\
             client-id = \"shop\"\nclient-secret = \"shop-login\"\nidentity = \"sub\"\n{more}\n"
        );
        fs::write(&manifest, text + &rest).expect("written");
        let toml = "node = 1\n[listen]\nhttp = [\"127.0.0.1:0\"]\n[secrets]\nenv-prefix = \"OF_TEST_\"\n";
        fs::write(folder.path().join("node.toml"), toml).expect("written");
        let data = tempfile::tempdir().expect("folder");
        let node = Self::run(&folder, &data);
        Self { node, folder, data }
    }

    fn run(folder: &TempDir, data: &TempDir) -> Node {
        let mut command = weft();
        command.arg("up").arg(folder.path()).arg("--no-watch").arg("--data").arg(data.path());
        command.arg("--node").arg(folder.path().join("node.toml")).env("OF_TEST_SHOP_LOGIN", SECRET);
        Node::start_with(&mut command)
    }

    /// Another process with the same data.
    fn restart(&mut self) {
        self.node.signal("TERM");
        while self.node.runs() {
            std::thread::yield_now();
        }
        self.node = Self::run(&self.folder, &self.data);
    }

    fn browser(&self) -> Browser {
        Browser::new(&[("shop.test", &self.node.url)])
    }
}

fn code(response: &Response) -> (u16, String) {
    (response.status, field(response, "weft-error").unwrap_or_default())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Who the guest was told is calling.
fn told(response: &Response) -> Vec<&str> {
    assert_eq!(response.status, 200, "{response:?}");
    assert!(!response.body.contains("weft-session-"), "nobody behind us is shown what we let people in by");
    response.body.lines().filter(|line| line.starts_with("weft-")).collect()
}

/// Logs in at the provider's own pages, and ends before the callback: its address.
fn log_in(browser: &mut Browser, page: &str) -> String {
    let first = browser.open(page);
    assert_eq!(first.status, 303, "{first:?}");
    let (mut shown, mut at) = browser.follow(first, page.to_owned(), CALLBACK);
    for form in ["prompt=login&login=alice&password=any", "prompt=consent"] {
        if at.starts_with(CALLBACK) {
            break;
        }
        assert_eq!(shown.status, 200, "{at}: {shown:?}");
        let action = shown.body.split("action=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form");
        let to = if action.starts_with('/') { origin_of(&at) + action } else { action.to_owned() };
        let answered = browser.post(&to, form);
        (shown, at) = browser.follow(answered, to, CALLBACK);
    }
    assert!(at.starts_with(CALLBACK), "{at}: {shown:?}");
    at
}

fn origin_of(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

#[test]
fn somebody_logs_in_at_a_certified_provider_and_out_again() {
    let provider = Certified::start();
    let mut shop = Shop::start(&provider.issuer, "tenant = \"org\"\nroles = \"groups\"");
    let mut browser = shop.browser();
    let page = "http://shop.test/orders?page=2";
    assert_eq!(code(&browser.fetch(page)), is(401, "unauthenticated"), "no login is shown to what is no page");
    assert_eq!(code(&browser.post(page, "a=1")), is(401, "unauthenticated"));
    assert_eq!(browser.open("http://shop.test/maybe").status, 200, "a login is not needed");

    let back = log_in(&mut browser, page);
    let begun = browser.cookies("shop.test");
    assert!(begun.len() == 1 && begun[0].starts_with("weft-login-staff-"), "{begun:?}");
    let mut stranger = shop.browser();
    assert_eq!(code(&stranger.open(&back)), is(403, "login-failed"), "another browser has not begun it");
    let welcome = browser.open(&back);
    assert_eq!((welcome.status, field(&welcome, "location").as_deref()), (303, Some(page)), "{welcome:?}");
    assert_eq!(field(&welcome, "cache-control").as_deref(), Some("no-store"));
    let session = &fields(&welcome, "set-cookie")[0];
    assert!(session.starts_with("weft-session-staff=") && session.contains("; HttpOnly; SameSite=Lax"), "{session}");
    assert!(!session.contains("alice"), "it is sealed");

    let who = ["weft-auth: staff", "weft-identity: alice", "weft-roles: admin,dev", "weft-tenant: acme"];
    for path in ["/orders?page=2", "/admin", "/maybe"] {
        assert_eq!(told(&browser.open(&format!("http://shop.test{path}"))), who, "{path}");
    }
    assert_eq!(told(&browser.fetch(page)), who);
    assert_eq!(code(&browser.open("http://shop.test/root")), is(403, "forbidden"), "no login could help");

    // The address of the callback again, with the cookie of the login again.
    let (name, value) = begun[0].split_once('=').expect("a cookie");
    browser.plant("shop.test", name, value);
    assert_eq!(code(&browser.open(&back)), is(403, "login-failed"), "a state is used once");

    // A session outlives the node, and is the node's alone.
    let mode = fs::metadata(shop.data.path().join("session-keys")).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    shop.restart();
    browser.moved("shop.test", &shop.node.url);
    assert_eq!(told(&browser.fetch(page)), who);
    let kept = browser.cookies("shop.test").into_iter().find(|one| one.starts_with("weft-session")).expect("kept");
    let (name, value) = kept.split_once('=').expect("a cookie");
    let mut forged = shop.browser();
    forged.plant("shop.test", name, &value.replace(&value[20..24], "AAAA"));
    assert_eq!(code(&forged.fetch(page)), is(401, "unauthenticated"));
    forged.plant("shop.test", name, begun[0].split_once('=').expect("a cookie").1);
    assert_eq!(code(&forged.fetch(page)), is(401, "unauthenticated"), "a login is no session");

    let from_afar = browser.send("GET", LOGOUT, "sec-fetch-site: cross-site\r\n", "");
    assert_eq!(code(&from_afar), is(403, "forbidden"));
    let out = browser.open(LOGOUT);
    let to = field(&out, "location").expect("a place");
    assert!(out.status == 303 && to.starts_with(&format!("{}/session/end?", provider.issuer)), "{out:?}");
    assert_eq!((parameter(&to, "client_id"), browser.open(&to).status), ("shop", 200), "the provider knows how");
    assert_eq!(code(&browser.fetch(page)), is(401, "unauthenticated"));

    // Nobody is let in unchecked once the provider is gone, and who is in stays in.
    browser.plant("shop.test", name, value);
    drop(provider);
    shop.restart();
    browser.moved("shop.test", &shop.node.url);
    assert_eq!(told(&browser.open(page)), who);
    let out = browser.open(LOGOUT);
    assert_eq!((out.status, field(&out, "location").as_deref()), (303, Some("http://shop.test/")), "here, at least");
    let gone = shop.browser().open(page);
    assert_eq!(code(&gone), is(503, "identity-unavailable"));
    assert_eq!(shop.browser().open("http://shop.test/open").status, 200);
}

/// What a provider of the test says.
#[derive(Default)]
struct Script {
    /// The status and body of its token endpoint.
    token: (u16, String),
    asked: Vec<String>,
    issuer: Option<String>,
}

/// A provider that says what it is told to say.
fn liar(script: &Arc<Mutex<Script>>) -> Service {
    let script = Arc::clone(script);
    Service::start(move |asked, stream| {
        let host = asked.head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").trim().to_owned();
        let mut script = script.lock().expect("whole");
        let own = format!("http://{host}");
        let issuer = script.issuer.clone().unwrap_or_else(|| own.clone());
        match asked.path.as_str() {
            "/.well-known/openid-configuration" => answer(
                stream,
                200,
                &json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{own}/auth?theme=dark"),
                    "token_endpoint": format!("{own}/token"),
                    "jwks_uri": format!("{own}/keys"),
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                })
                .to_string(),
            ),
            "/keys" => answer(stream, 200, &published()),
            "/token" => {
                script.asked.push(String::from_utf8_lossy(&asked.body).into_owned());
                let (status, body) = script.token.clone();
                answer(stream, status, &body)
            }
            _ => Then::Close,
        }
    })
}

/// The public half of the test's EC key, named `one`.
fn published() -> String {
    use ring::signature::KeyPair;
    use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
    let der = PrivatePkcs8KeyDer::from_pem_slice(EC.as_bytes()).expect("a key");
    let random = ring::rand::SystemRandom::new();
    let how = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(how, der.secret_pkcs8_der(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "one", "x": encode(&point[1..33]), "y": encode(&point[33..]) }] })
        .to_string()
}

/// A login at the liar, up to its callback without a code: the state, and the claims that would be good.
fn begin(browser: &mut Browser, issuer: &str) -> (String, Value) {
    let to = field(&browser.open("http://shop.test/orders"), "location").expect("a place");
    assert!(to.starts_with(&format!("{issuer}/auth?theme=dark&response_type=code&client_id=shop&")), "{to}");
    assert_eq!((parameter(&to, "scope"), parameter(&to, "code_challenge_method")), ("openid%20email", "S256"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let good = json!({ "iss": issuer, "aud": "shop", "iat": now, "exp": now + 60, "nonce": parameter(&to, "nonce") });
    (parameter(&to, "state").to_owned(), good)
}

fn token(mut claims: Value, change: &Value) -> String {
    claims.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    raw(&header("ES256", json!({ "kid": "one" })), &claims_at(0, claims), "ES256", EC)
}

#[test]
fn a_provider_that_lies_logs_nobody_in() {
    let script = Arc::<Mutex<Script>>::default();
    let service = liar(&script);
    let issuer = service.url();
    let shop = Shop::start(&issuer, "algorithms = [\"ES256\"]\nscopes = [\"email\", \"openid\"]\nsession = \"1h\"");
    let says = |status: u16, body: Value| script.lock().expect("whole").token = (status, body.to_string());
    let login = |make: &dyn Fn(Value) -> String| {
        let mut browser = shop.browser();
        let (state, good) = begin(&mut browser, &issuer);
        says(200, json!({ "id_token": make(good), "token_type": "Bearer" }));
        let answered = browser.open(&format!("{CALLBACK}?code=c0de&state={state}"));
        let kept = browser.cookies("shop.test").iter().any(|one| one.starts_with("weft-session"));
        assert_eq!(kept, answered.status == 303, "{answered:?}");
        answered
    };
    let welcome = login(&|good| token(good, &json!({})));
    assert_eq!(field(&welcome, "location").as_deref(), Some("http://shop.test/orders"), "{welcome:?}");
    let asked = script.lock().expect("whole").asked.pop().expect("asked");
    for part in ["grant_type=authorization_code", "code=c0de", "client_id=shop", "client_secret=s3cret%2B%25%3A"] {
        assert!(asked.split('&').any(|one| one == part), "{asked}");
    }
    assert_eq!(parameter(&format!("?{asked}"), "code_verifier").len(), 43);

    let several = json!({ "aud": ["shop", "other"] });
    let lies = [
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        several.clone(),
        json!({ "azp": "other" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 1000 }),
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "sub": null }),
        json!({ "sub": "a\nb" }),
    ];
    for lie in &lies {
        assert_eq!(code(&login(&|good| token(good, lie))), is(403, "login-failed"), "{lie}");
    }
    let ours = json!({ "aud": ["shop", "other"], "azp": "shop" });
    assert_eq!(login(&|good| token(good, &ours)).status, 303, "ours among others");
    let forged: [&dyn Fn(Value) -> String; 6] = [
        &|good| format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(good.to_string())),
        &|good| raw(&header("HS256", json!({})), &claims_at(0, good), "HS256", SECRET),
        &|good| raw(&header("HS256", json!({ "kid": "one" })), &claims_at(0, good), "HS256", RSA_PUBLIC),
        &|good| raw(&header("RS256", json!({ "kid": "one" })), &claims_at(0, good), "RS256", RSA),
        &|good| token(good, &json!({})) + "A",
        &|_| "nonsense".to_owned(),
    ];
    for (i, make) in forged.iter().enumerate() {
        assert_eq!(code(&login(*make)), is(403, "login-failed"), "{i}");
    }
}

#[test]
fn a_callback_that_nobody_asked_for_changes_nothing() {
    let script = Arc::<Mutex<Script>>::default();
    let service = liar(&script);
    let issuer = service.url();
    let shop = Shop::start(&issuer, "algorithms = [\"ES256\"]\nscopes = [\"email\"]");
    let mut browser = shop.browser();
    let (state, _) = begin(&mut browser, &issuer);
    for query in [
        "".to_owned(),
        "?code=a".to_owned(),
        format!("?code=a&state={state}&state={state}"),
        format!("?code=a&state={}", state.to_lowercase()),
        format!("?code=a&state={state}%00"),
    ] {
        assert_eq!(code(&browser.open(&format!("{CALLBACK}{query}"))), is(403, "login-failed"), "{query}");
    }
    assert_eq!(script.lock().expect("whole").asked.len(), 0, "the provider is not bothered");
    for more in [
        "error=access_denied",
        "code=a&iss=https%3A%2F%2Fevil.example",
        "code=a&code=b",
        "code=",
        "error=%0Ax&error_description=y",
    ] {
        let (state, _) = begin(&mut browser, &issuer);
        let back = format!("{CALLBACK}?state={state}&{more}");
        assert_eq!(code(&browser.open(&back)), is(403, "login-failed"), "{more}");
        assert_eq!(code(&browser.open(&back)), is(403, "login-failed"), "again");
    }
    assert_eq!(script.lock().expect("whole").asked.len(), 0);
    for (status, body, wanted) in [
        (400, json!({ "error": "invalid_grant" }), is(403, "login-failed")),
        (200, json!({}), is(403, "login-failed")),
        (500, json!({}), is(503, "identity-unavailable")),
        (302, json!({}), is(403, "login-failed")),
    ] {
        let (state, _) = begin(&mut browser, &issuer);
        script.lock().expect("whole").token = (status, body.to_string());
        assert_eq!(code(&browser.open(&format!("{CALLBACK}?state={state}&code=a"))), wanted, "{status}");
    }
    // Other hosts are other origins: what was begun on one does not end on another.
    let (state, _) = begin(&mut browser, &issuer);
    let cookies = browser.cookies("shop.test").join("; ");
    let there = format!("http://evil.test/.weft/login/staff/callback?state={state}&code=a");
    let mut elsewhere = Browser::new(&[("evil.test", &shop.node.url)]);
    let answered = elsewhere.send("GET", &there, &format!("cookie: {cookies}\r\naccept: text/html\r\n"), "");
    assert_eq!(code(&answered), is(403, "login-failed"));
    // A path that reads like a host leads nowhere else.
    let (mut lured, good) = (shop.browser(), |to: &str| {
        token(
            json!({
                "iss": issuer, "aud": "shop", "iat": 1, "exp": 4_000_000_000_u64, "nonce": parameter(to, "nonce"),
            }),
            &json!({}),
        )
    });
    let to = field(&lured.open("http://shop.test//evil.example/%2e"), "location");
    if let Some(to) = to {
        script.lock().expect("whole").token = (200, json!({ "id_token": good(&to) }).to_string());
        let back = lured.open(&format!("{CALLBACK}?state={}&code=a", parameter(&to, "state")));
        let home = field(&back, "location").expect("a place");
        assert!(home.starts_with("http://shop.test/"), "{home}");
    }
    for other in ["other", "x/callback", "callback/"] {
        assert_eq!(lured.open(&format!("http://shop.test/.weft/login/staff/{other}")).status, 404, "{other}");
    }
    // Tabs that nobody comes back to do not fill the browser.
    for _ in 0..12 {
        begin(&mut browser, &issuer);
    }
    assert!(browser.cookies("shop.test").len() <= 5, "{:?}", browser.cookies("shop.test"));
}

#[test]
fn a_provider_that_says_to_be_another_is_not_asked() {
    let script = Arc::<Mutex<Script>>::default();
    script.lock().expect("whole").issuer = Some("https://evil.example".to_owned());
    let service = liar(&script);
    let shop = Shop::start(&service.url(), "");
    assert_eq!(code(&shop.browser().open("http://shop.test/a")), is(503, "identity-unavailable"));
    assert_eq!(code(&shop.browser().fetch("http://shop.test/a")), is(401, "unauthenticated"));
}
