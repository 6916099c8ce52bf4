//! Good manifests, and what becomes of them.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use weft_manifest::{
    Answer, Application, BareGrants, Disk, Folder, Isolation, NodeConfig, Scheme, load, load_node_text, load_text,
};
use weft_traffic::{Action, Table};
use weft_types::{Digest, Name};

const SHOP: &str = r#"
manifest = 1
name = "shop"
[policy]
timeout = "5s"
queue = 64
[store]
orders = { kind = "key-value" }
[component.api]
source = "api/target/api.wasm"
build = { command = "cargo build", dir = "api", watch = ["src/**"], language = "rust" }
isolation = "instance"
limits = { memory = "64MiB", cpu = "50ms", concurrency = 32, instances = 8, reuse = 1000, age = "10m" }
stores = { default = "orders" }
files = [{ from = "assets", to = "/assets" }, { from = "data", to = "/data", write = true }]
secrets = { payment-key = "stripe" }
config = { currency = "EUR" }
env = { RUST_LOG = "info" }
outbound = ["https://api.payments.example", "http://localhost:9000"]
private-networks = ["10.1.0.0/16"]
policy = { timeout = "3s", body = "1MiB" }
[component.kitchen]
source = "kitchen.wasm"
[[route]]
host = "shop.example"
path = "/orders/:id"
methods = ["GET", "POST"]
headers = { x-beta = "*", x-kind = "a" }
component = "api"
policy = { timeout = "1s" }
[[route]]
path = "/assets/*"
files = { from = "public", fallback = "index.html", cache-control = "max-age=60" }
[[route]]
path = "/old/*"
redirect = { to = "https://shop.example/*" }
"#;

fn shop() -> Application {
    load_text("shop/weft.toml", SHOP, Path::new("/srv/shop"), Disk::Skip).unwrap_or_else(|report| panic!("{report}"))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

#[test]
fn a_variable_is_text_or_a_secret_by_name() {
    let text = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"a.wasm\"\n\
        env = { MODE = \"fast\", DB_PASSWORD = { secret = \"db\" } }\n[component.api.env.TOKEN]\nsecret = \"t\"\n";
    let twice = load_text("weft.toml", text, Path::new("/srv"), Disk::Skip).expect_err("an inline table is closed");
    assert!(twice.to_string().contains("TOML") || twice.to_string().contains("twice"), "{twice}");
    let text = text.replace("env = { MODE", "env = { TOKEN = { secret = \"t\" }, MODE");
    let text = text.split("[component.api.env").next().expect("there");
    let shop = load_text("weft.toml", text, Path::new("/srv"), Disk::Skip).unwrap_or_else(|report| panic!("{report}"));
    let grants = &shop.components[&name("api")].grants;
    assert_eq!(grants.env, BTreeMap::from([("MODE".to_owned(), "fast".to_owned())]));
    let wanted = [("DB_PASSWORD".to_owned(), "db".to_owned()), ("TOKEN".to_owned(), "t".to_owned())];
    assert_eq!(grants.secret_env, BTreeMap::from(wanted));
    assert_eq!(
        shop.secrets().map(|(_, key, secret)| (key, secret)).collect::<Vec<_>>(),
        [("DB_PASSWORD", "db"), ("TOKEN", "t")]
    );
    assert_eq!(Application::from_json(&shop.to_json()).expect("reads back").to_json(), shop.to_json());
    let headers = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"a.wasm\"\n[component.api.env]\nMODE = \"fast\"\n\
        [component.api.env.TOKEN]\nsecret = \"t\"\n";
    let shop =
        load_text("weft.toml", headers, Path::new("/srv"), Disk::Skip).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(shop.components[&name("api")].grants.secret_env["TOKEN"], "t");
}

#[test]
fn everything_arrives() {
    let shop = shop();
    let api = &shop.components[&name("api")];
    assert_eq!(shop.locate(&api.source), Path::new("/srv/shop/api/target/api.wasm"));
    assert_eq!(api.isolation, Isolation::Instance);
    assert_eq!((api.limits.memory, api.limits.cpu), (64 << 20, Duration::from_millis(50)));
    assert_eq!((api.limits.instances, api.limits.reuse, api.limits.age), (8, 1000, Duration::from_secs(600)));
    assert_eq!(api.grants.stores["default"], name("orders"));
    assert_eq!(api.grants.files[1], Folder { from: "data".into(), to: "/data".into(), write: true });
    assert_eq!(api.grants.config["currency"], "EUR");
    assert_eq!(api.grants.env["RUST_LOG"], "info");
    assert!(api.grants.outbound.allows(Scheme::Https, "api.payments.example", 443));
    assert!(api.grants.outbound.allows_address("api.payments.example", [10, 1, 2, 3].into()));
    assert_eq!(shop.secrets().collect::<Vec<_>>(), [(&name("api"), "payment-key", "stripe")]);
    let gate = shop.component_policy(&name("api")).policy;
    assert_eq!((gate.concurrency, gate.queue, gate.timeout), (32, 64, Duration::from_secs(3)));
    let kitchen = shop.component_policy(&name("kitchen")).policy;
    assert_eq!((kitchen.concurrency, kitchen.queue), (256, 64));
    assert_eq!(shop.components[&name("kitchen")].limits.memory, 128 << 20, "the default");
}

#[test]
fn routes_are_lowered_with_their_policy_and_its_origins() {
    let revision = Digest([7; 32]);
    let specs = shop().lower(revision);
    let Action::Component(context) = &specs[0].action else { panic!("{:?}", specs[0].action) };
    assert_eq!((&context.target.revision, &context.target.component), (&revision, &name("api")));
    assert_eq!((specs[0].policy.timeout, specs[0].policy.body_max), (Duration::from_secs(1), 1 << 20));
    let origins: Vec<_> =
        specs[0].origins.iter().map(|(field, value, from)| format!("{field} {value} {from}")).collect();
    assert_eq!(
        origins,
        [
            "timeout 1s route shop/weft.toml:24",
            "idle-timeout 1m default",
            "lifetime 1h default",
            "body 1MiB component api",
            "concurrency 32 component api",
            "queue 64 application",
        ]
    );
    assert_eq!((specs[0].place.line, &*specs[0].place.file), (24, "shop/weft.toml"));
    let Action::Files(files) = &specs[1].action else { panic!("{:?}", specs[1].action) };
    assert_eq!((files.root.as_path(), &*files.index), (Path::new("/srv/shop/public"), "index.html"));
    assert_eq!(specs[1].methods, [http::Method::GET], "files take GET, which stands for HEAD");
    assert_eq!(specs[1].policy.timeout, Duration::from_secs(5));
    assert!(matches!(&specs[2].action, Action::Redirect { status: 308, .. }));
    assert!(Table::compile(specs).is_ok());
}

#[test]
fn a_stored_application_is_the_same_but_for_its_folder() {
    let shop = shop();
    let stored = Application::from_json(&shop.to_json()).expect("reads back");
    assert_eq!(stored.to_json(), shop.to_json());
    assert_eq!(Application { origin: shop.origin.clone(), ..stored.clone() }, shop);
    assert_eq!(&*stored.file(), "shop/weft.toml");
    let elsewhere = load_text("x/weft.toml", SHOP, Path::new("/elsewhere"), Disk::Skip).expect("good");
    assert_eq!(elsewhere.to_json(), shop.to_json(), "the folder is no part of a revision");
}

#[test]
fn a_revision_is_its_manifest_its_components_and_its_files() {
    let sources = |byte| BTreeMap::from([(name("api"), Digest([byte; 32]))]);
    let files = |folder: &str, file: &str, byte| {
        BTreeMap::from([(folder.to_owned(), BTreeMap::from([(file.to_owned(), Digest([byte; 32]))]))])
    };
    let shop = shop();
    let first = shop.revision(&sources(1), &files("public", "a.css", 1));
    assert_eq!(first, shop.revision(&sources(1), &files("public", "a.css", 1)));
    assert_ne!(first, shop.revision(&sources(2), &files("public", "a.css", 1)));
    assert_ne!(first, shop.revision(&sources(1), &files("public", "a.css", 2)));
    assert_ne!(first, shop.revision(&sources(1), &files("public", "b.css", 1)));
    assert_ne!(shop.revision(&sources(1), &files("a", "b/c", 1)), shop.revision(&sources(1), &files("a/b", "c", 1)));
    let mut other = shop.clone();
    other.components.get_mut(&name("api")).expect("there").limits.memory += 1;
    assert_ne!(first, other.revision(&sources(1), &files("public", "a.css", 1)));
}

#[test]
fn forms_of_toml_mean_the_same() {
    let inline = "manifest = 1\nname = \"a\"\nstore = { s = { kind = \"key-value\" } }\n\
                  component = { c = { source = \"c.wasm\", stores = { default = \"s\" } } }\n\
                  route = [{ path = \"/*\", component = \"c\" }]\n";
    let dotted = "manifest = 1\nname = \"a\"\nstore.s.kind = \"key-value\"\ncomponent.c.source = \"c.wasm\"\n\
                  component.c.stores.default = \"s\"\nroute = [{ path = \"/*\", component = \"c\" }]\n";
    let headers = "manifest = 1\nname = \"a\"\n[store.s]\nkind = \"key-value\"\n[component.c]\nsource = \"c.wasm\"\n\
                   [component.c.stores]\ndefault = \"s\"\n[[route]]\npath = \"/*\"\ncomponent = \"c\"\n";
    let parse = |text: &str| {
        let mut application = load_text("weft.toml", text, Path::new("/x"), Disk::Skip).expect("good");
        application.routes.iter_mut().for_each(|route| (route.line, route.column) = (1, 1));
        application.to_json()
    };
    assert_eq!(parse(inline), parse(dotted));
    assert_eq!(parse(inline), parse(headers));
    let windows = headers.replace('\n', "\r\n");
    assert_eq!(parse(inline), parse(&windows), "CRLF");
    assert_eq!(parse(inline), parse(&format!("\u{feff}{headers}")), "a byte order mark");
}

#[test]
fn a_folder_is_loaded_by_its_name_or_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "manifest = 1\nname = \"a\"\n[component.c]\nsource = \"c.wasm\"\n";
    fs::write(folder.path().join("weft.toml"), text).expect("written");
    fs::write(folder.path().join("c.wasm"), b"\0asm").expect("written");
    let by_folder = load(folder.path()).expect("good");
    assert_eq!(by_folder, load(&folder.path().join("weft.toml")).expect("good"));
    assert!(by_folder.locate("c.wasm").is_file());
    let report = load(&folder.path().join("gone.toml")).expect_err("missing");
    assert_eq!(report.problems[0].code.as_str(), "file-missing");
    fs::write(folder.path().join("weft.toml"), b"name = \"\xff\"").expect("written");
    assert!(load(folder.path()).expect_err("not UTF-8").to_string().contains("byte 8 is not UTF-8"));
}

#[test]
fn a_bare_component_answers_everything_with_what_flags_grant() {
    let grants = BareGrants {
        env: BTreeMap::from([("K".to_owned(), "V".to_owned())]),
        stores: vec![name("orders"), name("cache")],
        outbound: vec!["http://localhost:9000".parse().expect("a rule")],
        ..BareGrants::default()
    };
    let bare = Application::bare(name("hello"), Path::new("hello.wasm"), Path::new("/srv"), grants);
    let component = &bare.components[&name("hello")];
    assert_eq!(bare.locate(&component.source), Path::new("/srv/hello.wasm"));
    assert_eq!(component.grants.stores["default"], name("orders"));
    assert_eq!(component.grants.stores["cache"], name("cache"));
    assert_eq!(bare.stores.len(), 2);
    assert!(component.grants.outbound.allows_address("localhost", [127, 0, 0, 1].into()));
    assert_eq!(bare.routes[0].answer, Answer::Component(name("hello")));
    let table = Table::compile(bare.lower(Digest([0; 32]))).expect("compiles");
    assert_eq!(&*table.routes()[0].spec.path, "/*");
    assert_eq!(Application::from_json(&bare.to_json()).expect("reads back").to_json(), bare.to_json());
}

#[test]
fn secrets_that_the_node_lacks_are_named_with_the_nearest() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert!(shop().check_secrets(&names(&["stripe"])).is_ok());
    let report = shop().check_secrets(&names(&["stripes"])).expect_err("missing");
    let problem = &report.problems[0];
    assert_eq!(problem.code.as_str(), "secret-missing");
    assert_eq!(problem.help.as_deref(), Some("did you mean `stripes`?"));
    assert_eq!(
        problem.to_string(),
        "shop/weft.toml: component `api` reads secret `stripe` as `payment-key`, and the node has no such secret"
    );
}

#[test]
fn a_node_has_defaults_for_what_it_does_not_say() {
    let empty = load_node_text("node.toml", "node = 1\n", Path::new("/etc/weft"), Disk::Check).expect("good");
    assert_eq!(empty, NodeConfig::default());
    let text = r#"
        node = 1
        data = "data"
        labels = { zone = "eu-1a" }
        [listen]
        http = []
        https = ["0.0.0.0:443", "[::]:443"]
        admin = "127.0.0.1:9000"
        [[tls]]
        cert = "shop.pem"
        key = "/keys/shop.key"
        [secrets]
        env-prefix = "WEFT_SECRET_"
        encrypted = { file = "s.enc", key-file = "/run/key" }
        [limits]
        connections = 100
        head = "64KiB"
        drain = "1m"
        [otlp]
        endpoint = "http://127.0.0.1:4318/"
        headers = { authorization = "secret:otlp" }
        sample = 10
    "#;
    let node = load_node_text("node.toml", text, Path::new("/etc/weft"), Disk::Skip).expect("good");
    assert_eq!((node.http.len(), node.https.len(), node.admin.port()), (0, 2, 9000));
    assert_eq!(node.data.as_deref(), Some(Path::new("/etc/weft/data")));
    assert_eq!(node.tls[0].cert, Path::new("/etc/weft/shop.pem"));
    assert_eq!(node.tls[0].key, Path::new("/keys/shop.key"));
    assert_eq!(node.secrets.encrypted.as_ref().map(|(file, _)| file.as_path()), Some(Path::new("/etc/weft/s.enc")));
    assert_eq!((node.connections, node.head_max, node.drain), (100, 64 << 10, Duration::from_secs(60)));
    let otlp = node.otlp.expect("said");
    assert_eq!((otlp.endpoint.as_str(), otlp.sample), ("http://127.0.0.1:4318", 10));
}

#[test]
fn the_examples_are_good() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folders = fs::read_dir(examples).expect("there are examples").map(|entry| entry.expect("readable").path());
    let loaded: Vec<_> = folders.filter(|folder| folder.join("weft.toml").is_file()).map(|f| load(&f)).collect();
    assert!(loaded.len() >= 6, "five languages and orders");
    for answer in loaded {
        let application = answer.unwrap_or_else(|report| panic!("{}", report.render(weft_manifest::Look::default())));
        assert!(!application.routes.is_empty(), "{} answers nothing", application.name);
    }
}
