//! Logs from the outside: what is said goes in, what a reader of standard error sees comes out.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use weft_telemetry::{
    logs::{During, Format, GuestLines, GuestLog, LINE_BYTES_MAX, Level, Logs, LogsError, Options, Redactor, Source},
    metrics::{Build, Metrics},
};
use weft_types::{InvocationId, ManualClock, Name, SpanId, Timestamp, Trace, TraceId};

const LONG: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Bench {
    paper: Paper,
    metrics: Arc<Metrics>,
    logs: Logs,
    _here: tracing::subscriber::DefaultGuard,
}

fn options(format: Format) -> Options {
    Options { format, filter: "info,quiet=error".to_owned(), guest_level: Level::DEBUG, held: false }
}

fn bench(options: Options) -> Bench {
    let paper = Paper::default();
    let metrics = Metrics::new(Build { version: "0", commit: "", wasmtime: "" }, 2);
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_232_400_007)));
    let (logs, subscriber) = Logs::start(options, clock, &metrics, paper.clone()).unwrap();
    Bench { paper, metrics, logs, _here: tracing::subscriber::set_default(subscriber) }
}

impl Bench {
    fn text(&self) -> String {
        assert!(self.logs.flush(LONG));
        String::from_utf8(self.paper.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn guest(&self, secrets: &[&str]) -> Arc<weft_telemetry::logs::GuestLogger> {
        let meter = self.metrics.component(&Name::new("orders").unwrap(), &Name::new("api").unwrap());
        self.logs.guest(meter, Redactor::new(secrets.iter().copied()))
    }
}

fn trace() -> Trace {
    Trace { trace: TraceId(0xab), parent: None, span: SpanId(0xcd), flags: Trace::SAMPLED, state: None }
}

#[test]
fn an_event_of_the_node_is_one_object_with_its_fields() {
    let bench = bench(options(Format::Json));
    tracing::info!(target: "weft_node", application = "orders", port = 3000, "applied");
    tracing::warn!(target: "quiet", "not shown");
    tracing::debug!("not shown either");
    let lines = bench.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "applied");
    assert_eq!(lines[0]["application"], "orders");
    assert_eq!(lines[0]["fields"], serde_json::json!({"port": 3000}));
    assert_eq!(lines[0]["timestamp"], "2026-11-21T03:40:00.007Z");
}

#[test]
fn the_first_thing_said_is_the_address() {
    let bench = bench(Options { held: true, ..options(Format::Text { colour: false }) });
    tracing::info!("starting");
    assert_eq!(bench.text(), "");
    bench.logs.announce("http://127.0.0.1:3000\nadmin http://127.0.0.1:3001");
    tracing::info!("ready");
    let text = bench.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["http://127.0.0.1:3000", "admin http://127.0.0.1:3001"]);
    assert!(lines[2].ends_with("starting") && lines[3].ends_with("ready"), "{text}");
}

#[test]
fn a_log_that_is_never_released_is_still_written_at_the_end() {
    let Bench { paper, logs, _here, .. } = bench(Options { held: true, ..options(Format::Text { colour: false }) });
    tracing::error!("port taken");
    drop(logs);
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("port taken"), "{text}");
}

#[test]
fn a_guest_speaks_as_itself_and_within_its_call() {
    let bench = bench(options(Format::Json));
    let trace = trace();
    let during = During { invocation: Some(InvocationId(7)), trace: Some(&trace) };
    let log = |level, message| GuestLog { source: Source::Logging, level, context: "cart", message, during };
    let guest = bench.guest(&["hunter22"]);
    guest.log(log(Level::WARN, "low stock\n{\"level\":\"error\"} hunter22"));
    guest.log(log(Level::TRACE, "below the guests' level"));
    let lines = bench.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["message"], "low stock\n{\"level\":\"error\"} ***");
    assert_eq!((&line["level"], &line["target"]), (&"warn".into(), &"guest.log".into()));
    assert_eq!((&line["application"], &line["component"]), (&"orders".into(), &"api".into()));
    assert_eq!(line["invocation"], InvocationId(7).to_string());
    assert_eq!(
        (&line["trace_id"], &line["span_id"]),
        (&trace.trace.to_string().into(), &trace.span.to_string().into())
    );
    assert_eq!(line["fields"]["context"], "cart");
}

#[test]
fn a_stream_is_cut_into_lines_however_it_is_written() {
    let bench = bench(options(Format::Json));
    let mut out = GuestLines::new(bench.guest(&[]), Source::Stdout);
    let during = During::default();
    for part in ["on", "e\r\ntwo\n\nthr", "ee", "\n", "rest"] {
        out.write(during, part.as_bytes());
    }
    assert!(out.pending());
    out.finish(during);
    assert!(!out.pending());
    out.write(during, b"bad \xff utf-8\n");
    let said: Vec<_> = bench.lines().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(said, ["one", "two", "three", "rest", "bad \u{fffd} utf-8"]);
}

#[test]
fn a_line_without_end_is_cut_and_shows_no_secret_at_the_cut() {
    let bench = bench(options(Format::Json));
    let mut out = GuestLines::new(bench.guest(&["0123456789abcdef"]), Source::Stderr);
    // Masked secrets shrink the line: where the looking ends, half a secret would come into view.
    out.write(During::default(), b"12345678");
    for _ in 0..2000 {
        out.write(During::default(), b"0123456789abcdef");
    }
    out.write(During::default(), b"\nnext\n");
    let lines = bench.lines();
    let message = lines[0]["message"].as_str().unwrap();
    assert!(message.ends_with("***… (cut)") && !message.contains("0123"), "{}", &message[message.len() - 40..]);
    assert_eq!(lines[1]["message"], "next");
    bench.guest(&[]).log(GuestLog {
        source: Source::Logging,
        level: Level::INFO,
        context: "",
        message: &"ü".repeat(1 << 20),
        during: During::default(),
    });
    let longest = bench.lines()[2]["message"].as_str().unwrap().len();
    assert!(longest <= LINE_BYTES_MAX + "… (cut)".len(), "{longest}");
}

#[test]
fn what_finds_no_room_is_counted() {
    let bench = bench(Options { held: true, ..options(Format::Json) });
    let guest = bench.guest(&[]);
    let big = "x".repeat(16 << 10);
    let log =
        GuestLog { source: Source::Stdout, level: Level::INFO, context: "", message: &big, during: During::default() };
    (0..100).for_each(|_| guest.log(log));
    let text = bench.metrics.render();
    let count = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let (kept, dropped) = (count("weft_log_lines_total{"), count("weft_log_dropped_total{"));
    assert_eq!(kept + dropped, 100);
    assert!((50..=64).contains(&kept), "1 MiB of 16 KiB lines: {kept}");
}

#[test]
fn a_filter_that_is_none_says_what_one_is() {
    let metrics = Metrics::new(Build { version: "0", commit: "", wasmtime: "" }, 1);
    let wrong = Options { filter: "weft=loud".to_owned(), ..Options::held(Format::Json) };
    let error =
        Logs::start(wrong, Arc::new(ManualClock::default()), &metrics, Paper::default()).map(|_| ()).unwrap_err();
    assert!(matches!(error, LogsError::Filter { .. }));
    assert!(error.to_string().starts_with("`weft=loud` is not a log filter; write a level"), "{error}");
}
