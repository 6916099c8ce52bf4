use weft_host::{LogLevel, LogSource};

use crate::bench::{Bench, query};

#[tokio::test]
async fn a_log_message_is_tied_to_its_call() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", Default::default());
    let call = bench.call(&guest, "/log?level=warn&context=orders&message=late");
    let (id, trace) = (call.id, call.trace.clone());
    assert_eq!(bench.answer(&guest, call).await.text(), "logged");
    let lines = bench.lines.take();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!((line.component.as_str(), line.source, line.level), ("api", LogSource::Logging, LogLevel::Warn));
    assert_eq!((line.context.as_str(), line.message.as_str()), ("orders", "late"));
    assert_eq!((line.invocation, line.trace.as_ref()), (Some(id), Some(&trace)));
}

#[tokio::test]
async fn every_level_is_known_and_an_unwanted_one_goes_nowhere() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", Default::default());
    let levels = ["trace", "debug", "info", "warn", "error", "critical"];
    for level in levels {
        bench.get(&guest, &format!("/log?level={level}&message={level}")).await;
    }
    let got: Vec<_> = bench.lines.take().into_iter().map(|line| (line.level, line.message)).collect();
    let wanted = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Critical];
    assert_eq!(got, wanted.into_iter().zip(levels[1..].iter().map(|l| (*l).to_owned())).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hostile_message_reaches_the_sink_whole_and_as_one() {
    let bench = Bench::new();
    let guest = bench.load("services-p2", Default::default());
    let hostile = "\u{1b}[31mred\r\n{\"level\":\"error\"}\0";
    bench.get(&guest, &format!("/log?message={}&message-times=40000", query(hostile))).await;
    let lines = bench.lines.take();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].message.len() > 1 << 20);
    assert_eq!(lines[0].message, hostile.repeat(40_000));
}
