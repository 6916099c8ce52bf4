//! Secrets from the command line to the guest: it gets the value, and nobody else ever sees it.

mod support;

use std::{fs, path::Path};

use support::{Node, guest, replace, run, run_with, weft};
use tempfile::TempDir;

/// With a quote, since errors are often quoted when they are printed.
const VALUE: &str = "sk_live_\"qzxv\"_zwölf";
const OTHER: &str = "whsec_of_another_component";

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A folder with a node.toml that names an encrypted file, and the two secrets in it.
fn operator() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let node = folder.path().join("node.toml");
    let toml = "node = 1\n[listen]\nhttp = [\"127.0.0.1:0\"]\n[log]\nlevel = \"debug\"\n\
        [secrets.encrypted]\nfile = \"secrets.weft\"\nkey-file = \"weft.key\"\n";
    fs::write(&node, toml).expect("written");
    assert_eq!(run(&["secrets", "init", "--node", text(&node)]).0, 0);
    for (name, value) in [("token", VALUE), ("other", OTHER)] {
        let (code, out, said) = run_with(&["secrets", "set", name, "--node", text(&node)], &format!("{value}\n"));
        assert!(code == 0 && out.contains("is set"), "{out}{said}");
        assert!(!format!("{out}{said}").contains(value));
    }
    folder
}

/// An application whose components misbehave as they are asked: `api` in WASI 0.2, `next` in 0.3.
fn application() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let manifest = "manifest = 1\nname = \"shop\"\n\
        [component.api]\nsource = \"p2.wasm\"\nenv = { SECRET = { secret = \"token\" }, MODE = \"fast\" }\n\
        [component.next]\nsource = \"p3.wasm\"\nisolation = \"instance\"\nenv = { SECRET = { secret = \"token\" } }\n\
        [component.config]\nsource = \"services.wasm\"\nsecrets = { key = \"token\" }\n\
        [[route]]\nhost = \"p2.test\"\npath = \"/*\"\ncomponent = \"api\"\n\
        [[route]]\nhost = \"p3.test\"\npath = \"/*\"\ncomponent = \"next\"\n\
        [[route]]\nhost = \"config.test\"\npath = \"/*\"\ncomponent = \"config\"\n";
    fs::write(folder.path().join("weft.toml"), manifest).expect("written");
    for (file, name) in [("p2", "faults-p2"), ("p3", "faults-p3"), ("services", "services-p2")] {
        replace(&folder.path().join(format!("{file}.wasm")), &guest(&format!("{name}.wasm")));
    }
    folder
}

fn get(node: &Node, host: &str, path: &str) -> support::Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    support::request(&node.url, &head)
}

/// The secret as it is, as it would be quoted, and its telling parts.
fn shows(said: &str) -> bool {
    ["qzxv", "sk_live_", "zw\u{f6}lf", OTHER].iter().any(|part| said.contains(part))
}

#[test]
fn the_command_line_sets_lists_and_forgets_secrets_by_name() {
    let folder = operator();
    let node = folder.path().join("node.toml");
    let list = || run(&["secrets", "list", "--node", text(&node)]).1;
    assert_eq!(list().lines().collect::<Vec<_>>(), ["other", "token"]);
    let (code, out, said) = run(&["secrets", "list", "--node", text(&node), "--format", "json"]);
    assert!(code == 0 && !shows(&out), "{out}{said}");
    let sealed = fs::read(folder.path().join("secrets.weft")).expect("there");
    assert!(!shows(&String::from_utf8_lossy(&sealed)), "the file is encrypted");
    let (code, out, said) = run(&["secrets", "remove", "other", "--node", text(&node)]);
    assert!(code == 0 && out.contains("other is gone"), "{out}{said}");
    assert_eq!(list().trim(), "token");
    let (code, _, said) = run(&["secrets", "remove", "other", "--node", text(&node)]);
    assert!(code == 1 && said.contains("secret-missing"), "{said}");
    // What is no longer there refuses the application that needs it, by its name.
    assert_eq!(run(&["secrets", "remove", "token", "--node", text(&node)]).0, 0);
    let shop = application();
    let data = tempfile::tempdir().expect("folder");
    let (code, _, said) = run(&["up", text(shop.path()), "--node", text(&node), "--data", text(data.path())]);
    assert!(code == 1 && said.contains("secret-missing") && said.contains("`token`"), "{said}");
}

#[test]
fn a_guest_gets_its_secret_and_whatever_it_does_with_it_nothing_of_ours_shows_it() {
    let (operator, shop) = (operator(), application());
    let node_toml = operator.path().join("node.toml");
    for log in ["json", "text"] {
        let data = tempfile::tempdir().expect("folder");
        let arguments = ["serve", "--log", log, "--node", text(&node_toml)];
        let node = Node::start_with(weft().args(arguments).arg("--data").arg(data.path()));
        let cli = |arguments: &[&str]| run(&[arguments, &["--data", text(data.path())]].concat());
        let mut told = String::new();
        let (code, out, said) = cli(&["apply", text(shop.path())]);
        assert_eq!(code, 0, "{said}");
        told += &(out + &said);

        assert_eq!(get(&node, "p2.test", "/env?SECRET").body, format!("{VALUE}\n"), "the guest has it");
        assert_eq!(get(&node, "p2.test", "/env?MODE").body, "fast\n");
        assert_eq!(get(&node, "p3.test", "/env?SECRET").body, format!("{VALUE}\n"));
        assert_eq!(get(&node, "config.test", "/config?key=key").body, format!("{VALUE}\n"));
        assert_eq!(get(&node, "config.test", "/secret?name=SECRET").body, "unset\n", "no more than was granted");

        for host in ["p2.test", "p3.test"] {
            for (how, status, error) in
                [("panic", 500, "guest-trap"), ("error", 502, "guest-error"), ("stdout", 200, ""), ("stderr", 200, "")]
            {
                let answer = get(&node, host, &format!("/leak?{how}"));
                assert_eq!(answer.status, status, "{host} {how}: {answer:?}");
                assert!(error.is_empty() || answer.head.contains(&format!("weft-error: {error}")), "{answer:?}");
                told += &format!("{answer:?}");
            }
        }
        // The head has left when this one fails.
        let mut half = support::connect(&node.url);
        std::io::Write::write_all(&mut half, b"GET /leak?half HTTP/1.1\r\nhost: p2.test\r\nconnection: close\r\n\r\n")
            .expect("sent");
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut half, &mut rest);
        told += &String::from_utf8_lossy(&rest);
        let message = VALUE.replace('"', "%22").replace('ö', "%C3%B6");
        get(&node, "config.test", &format!("/log?level=error&context={message}&message=it-is-{message}"));
        get(&node, "config.test", &format!("/kv/get?store={message}&key=k"));

        for arguments in [
            &["status", "shop"][..],
            &["status", "--format", "json"],
            &["explain", "GET", "http://p2.test/x"],
            &["explain", "GET", "http://p2.test/x", "--format", "json"],
            &["explain", "GET", "http://config.test/x"],
        ] {
            let (code, out, said) = cli(arguments);
            assert_eq!(code, 0, "{arguments:?}: {said}");
            told += &(out + &said);
        }
        assert!(told.contains("SECRET") && told.contains("secret token"), "explain names it: {told}");
        let token = Node::token(data.path());
        for path in ["/v1/status", "/v1/routes", "/v1/applications/shop", "/metrics"] {
            let answer = node.admin_get(path, Some(&token));
            assert_eq!(answer.status, 200, "{path}");
            told += &answer.body;
        }
        assert!(!shows(&told), "{log}: {told}");

        let lines = node.stop();
        for source in ["guest.stdout", "guest.stderr", "guest.log"] {
            // As text, a line names no source.
            let masked = |line: &&String| line.contains("***") && (log == "text" || line.contains(source));
            assert!(lines.iter().any(|line| masked(&line)), "{log} {source}: {lines:#?}");
        }
        let failed = lines.iter().filter(|line| line.contains("a call failed") && line.contains("***"));
        assert_eq!(failed.count(), 2, "both error answers were told, without the secret: {lines:#?}");
        let leaks: Vec<_> = lines.iter().filter(|line| shows(line)).collect();
        assert!(leaks.is_empty(), "{log}: {leaks:#?}");
        assert!(lines.iter().all(|line| !line.contains('\u{1b}') && !line.starts_with("{\"forged")), "{lines:#?}");
    }
}

#[test]
fn a_changed_secret_comes_with_the_next_apply_of_what_has_not_changed() {
    let (operator, shop) = (operator(), application());
    let node_toml = operator.path().join("node.toml");
    let data = tempfile::tempdir().expect("folder");
    let node = Node::start_with(weft().args(["serve", "--node", text(&node_toml)]).arg("--data").arg(data.path()));
    let apply = || {
        let (code, out, said) = run(&["apply", text(shop.path()), "--data", text(data.path())]);
        assert_eq!(code, 0, "{out}{said}");
    };
    let told = || {
        [("p2.test", "/env?SECRET"), ("config.test", "/config?key=key")].map(|(host, path)| get(&node, host, path).body)
    };
    apply();
    assert_eq!(told(), [format!("{VALUE}\n"), format!("{VALUE}\n")]);
    let (code, out, said) = run_with(&["secrets", "set", "token", "--node", text(&node_toml)], "renewed\n");
    assert_eq!(code, 0, "{out}{said}");
    for _ in 0..2 {
        apply();
        assert_eq!(told(), ["renewed\n", "renewed\n"]);
    }
    let token = Node::token(data.path());
    let revisions = node.admin_get("/v1/applications/shop/revisions", Some(&token)).body;
    assert_eq!(revisions.matches("\"number\"").count(), 1, "it is the revision that it was: {revisions}");
}
