//! A real Prometheus reads what we render, and answers with the values that were recorded.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use serde_json::Value;
use weft_telemetry::metrics::{Build, CONTENT_TYPE, CodeFrom, Method, Metrics};
use weft_types::{Class, Name, Tenant, Usage, code};

/// Longer than a slow machine needs; nothing waits for it when all is well.
const LONG: Duration = Duration::from_secs(60);

/// Serves `/metrics`, and tells of each time that it did.
fn serve(metrics: Arc<Metrics>) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, served) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(&stream).lines().map_while(Result::ok).find(String::is_empty);
            assert_eq!(head.as_deref(), Some(""));
            let body = metrics.render();
            let length = body.len();
            let head = format!("content-type: {CONTENT_TYPE}\r\ncontent-length: {length}\r\nconnection: close");
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").unwrap();
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    (address, served)
}

struct Prometheus {
    child: Child,
    api: String,
}

impl Prometheus {
    /// Starts it on a free port, scraping `target` each second, and waits until it says that it is ready.
    fn start(folder: &Path, target: SocketAddr) -> Self {
        let config = folder.join("prometheus.yml");
        let jobs = format!("[{{job_name: weft, static_configs: [{{targets: ['{target}']}}]}}]");
        std::fs::write(&config, format!("global: {{scrape_interval: 1s}}\nscrape_configs: {jobs}\n")).unwrap();
        let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={api}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start `prometheus` ({e}): run `cargo xtask setup`, which installs it"));
        let log = BufReader::new(child.stderr.take().unwrap());
        let (tell, ready) = mpsc::channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            for line in log.lines().map_while(Result::ok) {
                if line.contains("Server is ready to receive web requests") {
                    let _ = tell.send(Ok(()));
                }
                said.push(line);
            }
            let _ = tell.send(Err(said.join("\n")));
        });
        let prometheus = Self { child, api };
        ready.recv_timeout(LONG).expect("ready in time").unwrap_or_else(|log| panic!("prometheus ended:\n{log}"));
        prometheus
    }

    /// Asks its HTTP API. HTTP/1.0, so that the answer ends where the connection does.
    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.api).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The values of an instant query, one a series.
    fn query(&self, query: &str) -> Vec<String> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={escaped}"));
        let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
        result.iter().map(|series| series["value"][1].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn two_scrapes(served: &mpsc::Receiver<()>) {
    while served.try_recv().is_ok() {}
    // The first may have begun before; when the second begins, the first is stored.
    (0..3).for_each(|_| served.recv_timeout(LONG).expect("a scrape"));
}

#[test]
fn a_real_prometheus_reads_every_series() {
    let metrics = Metrics::new(Build { version: "0.1.0", commit: "abc", wasmtime: "48.0.8" }, 2);
    let api = metrics.component(&name("orders"), &name("api"));
    let route = metrics.route(&name("orders"), "orders.example.com", "/say/\"hi\"\\:id\n");
    let gone = metrics.component(&name("gone"), &name("api"));
    let usage = Usage { cpu: Duration::from_millis(250), memory_peak: 1 << 21, bytes_in: 10, bytes_out: 20 };
    for _ in 0..3 {
        route.began();
        api.began();
        api.instance_created();
        api.ended(Class::Ok, None, Duration::from_millis(3), &usage, &Tenant(Some("acme".into())));
        route.ended(Method::of("GET"), 200, Duration::from_millis(4));
    }
    api.began();
    let small = Usage { bytes_in: 1, ..Usage::default() };
    api.ended(Class::Failure, Some(code::GUEST_TRAP), Duration::from_micros(20), &small, &Tenant::default());
    api.instance_reused();
    api.instance_dropped(true);
    api.refused(Class::Shed, code::OVERLOADED);
    gone.refused(Class::Shed, code::OVERLOADED);
    metrics.node().fault(Class::CallerFault, code::NO_ROUTE);
    metrics.node().code_loaded.up();
    metrics.node().code_ready(CodeFrom::Compiler, Duration::from_secs(2));
    let store = metrics.store("embedded");
    store.committed(Duration::from_millis(2));

    let (address, served) = serve(Arc::clone(&metrics));
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), address);
    two_scrapes(&served);

    let targets = prometheus.get("/api/v1/targets");
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    let cases = [
        ("up", "1"),
        (r#"weft_invocations_total{application="orders",component="api",class="ok",code=""}"#, "3"),
        (r#"weft_invocations_total{application="orders",class="failure",code="guest-trap"}"#, "1"),
        (r#"weft_shed_total{application="orders",code="overloaded"}"#, "1"),
        (r#"weft_invocation_duration_seconds_count{application="orders"}"#, "4"),
        (r#"weft_invocation_duration_seconds_bucket{application="orders",le="0.00005"}"#, "1"),
        (r#"weft_invocation_duration_seconds_bucket{application="orders",le="0.005"}"#, "4"),
        (r#"weft_invocation_duration_seconds_bucket{application="orders",le="+Inf"}"#, "4"),
        (r#"weft_guest_cpu_seconds_total{application="orders"}"#, "0.75"),
        (r#"weft_guest_memory_peak_bytes{application="orders"}"#, "2097152"),
        (r#"weft_bytes_out_total{application="orders"}"#, "60"),
        (r#"weft_bytes_in_total{application="orders"}"#, "31"),
        (r#"weft_instances_live{application="orders"}"#, "2"),
        (r#"weft_instances_created_total{application="orders"}"#, "3"),
        (r#"weft_instances_reused_total{application="orders"}"#, "1"),
        (r#"weft_instances_lost_total{application="orders"}"#, "1"),
        (r#"weft_tenant_invocations_total{application="orders",tenant="acme"}"#, "3"),
        (r#"weft_tenant_guest_cpu_seconds_total{application="orders",tenant="acme"}"#, "0.75"),
        (r#"weft_tenant_bytes_in_total{application="orders",tenant="acme"}"#, "30"),
        (r#"weft_tenant_bytes_out_total{component="api",tenant="acme"}"#, "60"),
        (r#"weft_tenant_guest_memory_peak_bytes{tenant="acme"}"#, "2097152"),
        (r#"weft_tenant_bytes_in_total{application="orders",tenant=""}"#, "1"),
        (r#"weft_code_loaded"#, "1"),
        (r#"weft_queue_waiting{application="orders"}"#, "0"),
        (
            r#"http_server_request_duration_seconds_count{http_route="/say/\"hi\"\\:id\n",http_request_method="GET",http_response_status_code="200",server_address="orders.example.com"}"#,
            "3",
        ),
        (r#"http_server_active_requests{application="orders"}"#, "0"),
        (r#"weft_edge_faults_total{code="no-route"}"#, "1"),
        (r#"weft_compile_seconds_sum{from="compiler"}"#, "2"),
        (r#"weft_store_commit_seconds_count{store="embedded"}"#, "1"),
        (r#"weft_build_info{version="0.1.0",wasmtime="48.0.8"}"#, "1"),
        ("process_resident_memory_bytes > bool 1000000", "1"),
        ("process_start_time_seconds > bool 1.6e9", "1"),
        (r#"weft_invocations_total{application="gone"}"#, "1"),
    ];
    for (query, value) in cases {
        assert_eq!(prometheus.query(query), [value], "{query}");
    }

    drop(gone);
    api.began();
    two_scrapes(&served);
    let left = prometheus.query(r#"weft_invocations_total{application="gone"}"#);
    assert!(left.is_empty(), "a removed application leaves: {left:?}");
    assert_eq!(prometheus.query(r#"weft_invocations_active{application="orders"}"#), ["1"]);
}
