use weft_host::{Isolation, LogLevel, LogSource};

use crate::bench::Bench;

const GUESTS: [&str; 2] = ["faults-p2", "faults-p3"];

#[tokio::test]
async fn what_a_guest_prints_is_lines_of_its_call() {
    let bench = Bench::new();
    for name in GUESTS {
        let guest = bench.load(name, Default::default());
        let call = bench.call(&guest, "/print?hello");
        let (id, trace) = (call.id, call.trace.clone());
        assert_eq!(bench.answer(&guest, call).await.text(), "printed");
        let mut lines = bench.lines.take();
        lines.sort_by_key(|line| line.source == LogSource::Stderr);
        let shown: Vec<_> = lines.iter().map(|line| (line.source, line.message.as_str())).collect();
        assert_eq!(shown, [(LogSource::Stdout, "hello on stdout"), (LogSource::Stderr, "hello on stderr")], "{name}");
        for line in lines {
            assert_eq!((line.level, line.invocation, line.trace.as_ref()), (LogLevel::Info, Some(id), Some(&trace)));
        }
    }
}

#[tokio::test]
async fn a_shared_instance_prints_for_the_call_it_serves() {
    let bench = Bench::new();
    for name in GUESTS {
        let guest = bench.try_load(name, Isolation::Instance, Default::default()).expect("the guest loads");
        for n in 0..3 {
            let call = bench.call(&guest, &format!("/print?{n}"));
            let id = call.id;
            bench.answer(&guest, call).await;
            let lines = bench.lines.take();
            assert_eq!(lines.len(), 2, "{name}");
            assert!(lines.iter().all(|line| line.invocation == Some(id) && line.message.starts_with(&n.to_string())));
        }
        assert!(guest.stats().instances_reused >= 2, "{name}");
    }
}

#[tokio::test]
async fn the_last_words_of_a_guest_that_dies_are_kept() {
    let bench = Bench::new();
    for name in GUESTS {
        let guest = bench.load(name, Default::default());
        let call = bench.call(&guest, "/panic");
        let id = call.id;
        assert!(guest.invoke(call).await.reply.is_err());
        let lines = bench.lines.take();
        assert!(
            lines.iter().any(|line| line.message.contains("asked to panic") && line.invocation == Some(id)),
            "{name}: {lines:?}"
        );
    }
}
