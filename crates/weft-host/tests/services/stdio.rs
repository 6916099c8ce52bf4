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
            let own =
                |line: &crate::bench::Captured| line.invocation == Some(id) && line.message.starts_with(&n.to_string());
            assert!(lines.iter().all(own), "{name} {n} {id:?}: {lines:?}");
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

#[tokio::test]
async fn calls_that_share_an_instance_print_each_for_itself() {
    let bench = Bench::new();
    let guest = bench.try_load("faults-p3", Isolation::Instance, Default::default()).expect("the guest loads");
    let mut ids = Vec::new();
    let (mut begun, says) = (Vec::new(), ["a:800", "b:400", "c:600"]);
    for say in says {
        let mut call = bench.call(&guest, &format!("/diary?{say}"));
        call.id = weft_types::InvocationId::new(bench.now(), ids.len() as u128);
        ids.push((call.id, say[..1].to_owned()));
        begun.push(tokio::spawn(guest.invoke(call)));
        // It waits before the next comes: this runtime has one thread.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    for call in begun {
        assert!(call.await.expect("no panic").reply.is_ok());
    }
    assert_eq!(guest.stats().instances_created, 1);
    let lines = bench.lines.take();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        let whose = ids.iter().find(|(id, _)| Some(*id) == line.invocation).map(|(_, name)| name.as_str());
        assert_eq!(whose, Some(&line.message[..1]), "{line:?}");
    }
}
