//! Who is told of a burning service level: a real HTTP receiver and a real SMTP server, and one that is down.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, channel},
    },
};

use serde_json::Value;
use support::{
    Node, PATIENCE, application,
    proxy::until,
    run,
    service::{Service, answer},
    weft,
};

/// `aiosmtpd`, which prints what it is sent.
struct MailServer {
    process: Child,
    port: u16,
    lines: Receiver<String>,
}

impl MailServer {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.toolchain/venv/bin/aiosmtpd");
        assert!(program.is_file(), "{} is missing: run `cargo xtask setup`", program.display());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut process = Command::new(program)
            .args(["-n", "-l", &format!("127.0.0.1:{port}"), "-c", "aiosmtpd.handlers.Debugging", "stdout"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let (tell, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { process, port, lines }
    }

    /// Lines of a mail until one begins with this.
    fn says(&self, begins: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{begins}: {error}"));
            if line.starts_with(begins) {
                return line;
            }
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether the signature is that of the secret over time and body.
fn signed(head: &str, body: &[u8], secret: &str) -> bool {
    let line = head.lines().find_map(|line| line.strip_prefix("weft-signature: ")).expect("signed");
    let (time, hex) = line.trim().split_once(",v1=").expect("its form");
    let seconds = time.strip_prefix("t=").expect("its form");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    ring::hmac::verify(&key, &[seconds.as_bytes(), b".", body].concat(), &tag).is_ok()
}

#[test]
fn a_budget_that_burns_is_told_once_by_webhook_and_mail_and_again_when_it_has_recovered() {
    let told = Arc::new(Mutex::new(Vec::<(String, Value)>::new()));
    let (kept, tries) = (Arc::clone(&told), Arc::new(AtomicUsize::new(0)));
    let hook = Service::start(move |asked, stream| {
        // It is down at first.
        if tries.fetch_add(1, SeqCst) == 0 {
            return answer(stream, 500, "not yet");
        }
        assert!(asked.path == "/hook?team=1" && signed(&asked.head, &asked.body, "sesame"), "{}", asked.head);
        let body = serde_json::from_slice(&asked.body).expect("JSON");
        kept.lock().expect("whole").push((asked.head.clone(), body));
        answer(stream, 204, "")
    });
    let mail = MailServer::start();
    let data = tempfile::tempdir().expect("folder");
    let folder = application("shop", "path = \"/*\"", "faults-p2.wasm");
    let manifest = folder.path().join("weft.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let slo = "slo = { availability = \"99%\", window = \"1d\" }";
    fs::write(&manifest, text.replace("[component.api]", &format!("[component.api]\n{slo}"))).expect("written");
    let config = data.path().join("node.toml");
    let dead = Service::says("nothing");
    let nobody = dead.url();
    drop(dead);
    fs::write(
        &config,
        format!(
            "node = 1\n[secrets]\nenv-prefix = \"WEFT_SECRET_\"\n[notify.dead]\nwebhook = \"{nobody}/\"\n[notify.hook]\nwebhook = \
             \"{}/hook?team=1\"\nsecret = \"secret:hook-key\"\n[notify.team.mail]\nserver = \"smtp://127.0.0.1:{}\"\nfrom = \
             \"weft@shop.example\"\nto = [\"On Call <oncall@shop.example>\"]\n",
            hook.url(),
            mail.port
        ),
    )
    .expect("written");
    let mut command = weft();
    command.args(["up", folder.path().to_str().expect("text"), "--no-watch", "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(data.path()).arg("--node").arg(&config).env("WEFT_SECRET_HOOK_KEY", "sesame");
    let node = Node::start_with(&mut command);
    for _ in 0..15 {
        assert_eq!(node.get("/ok").status, 200);
    }
    for _ in 0..5 {
        assert_eq!(node.get("/trap").status, 500);
    }
    let states = || -> Vec<String> {
        let told = told.lock().expect("whole");
        told.iter().map(|(_, body)| format!("{} {}", body["state"], body["severity"]).replace('"', "")).collect()
    };
    until("it is told that it burns, though it was down at first", || states() == ["firing page"]);
    assert_eq!(mail.says("Subject: "), "Subject: [weft] shop/api availability burns (page)");
    // Five of more than five hundred are fewer than one of a hundred.
    for _ in 0..600 {
        assert_eq!(node.get("/ok").status, 200, "nobody who is down is waited for");
    }
    until("it is told that it has recovered", || states() == ["firing page", "recovered page"]);
    assert_eq!(mail.says("Subject: "), "Subject: [weft] shop/api availability has recovered");
    let told = told.lock().expect("whole");
    let (first, last) = (&told[0].1, &told[1].1);
    assert_eq!(first["alert"], last["alert"]);
    assert_ne!(first["id"], last["id"]);
    assert!(told[0].0.contains(&format!("weft-notification: {}", first["id"].as_str().expect("an id"))), "{told:?}");
    assert_eq!((first["objective"].as_str(), first["target"].as_str()), (Some("availability"), Some("99%")));
    assert!(first["burn-rates"]["5m"].as_f64() > Some(14.4), "{first}");
}

#[test]
fn a_receiver_that_cannot_be_is_refused_before_anything_is_served() {
    for (notify, says) in [
        (
            "webhook = \"https://a.example\"\n[notify.x.mail]\nserver = \"smtp://a\"\nfrom = \"a@b\"\nto = [\"a@b\"]",
            "exactly one of",
        ),
        ("secret = \"secret:k\"", "exactly one of"),
        ("webhook = \"https://a.example\"\nsecret = \"sesame\"", "a secret does not stand in this file"),
        ("webhook = \"https://a.example\"\nsecret = \"secret:none\"", "none"),
        ("webhok = \"https://a.example\"", "did you mean `webhook`"),
        ("mail = { server = \"pop://a.example\", from = \"a@b\", to = [\"a@b\"] }", "smtp://"),
        ("mail = { server = \"smtps://a.example\", from = \"nobody\", to = [\"a@b\"] }", "no address"),
        ("mail = { server = \"smtps://a.example\", from = \"a@b\", to = [] }", "to nobody"),
    ] {
        let data = tempfile::tempdir().expect("folder");
        let config = data.path().join("node.toml");
        fs::write(&config, format!("node = 1\n[secrets]\nenv-prefix = \"WEFT_SECRET_\"\n[notify.x]\n{notify}\n"))
            .expect("written");
        let (config, at) = (config.to_str().expect("text"), data.path().to_str().expect("text"));
        let (exit, _, err) = run(&["serve", "--listen", "127.0.0.1:0", "--node", config, "--data", at]);
        assert!(exit == 1 && err.contains(says), "{notify}: {exit} {err}");
    }
}
