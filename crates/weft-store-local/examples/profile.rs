//! Commits and reads in a loop, for a profiler to look at: `cargo run --release --example profile -- commits|gets`.
//!
//! Prints what each cost this process in CPU; `bench/engines` compares engines.

use std::time::{Duration, Instant};

use weft_store::{At, Check, KeyValue, LogName, Shard, Space, Store, StoreError, TimerName, Txn, Write};
use weft_store_local::{LocalStore, Options, Sync};
use weft_types::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1);
const CLIENTS: u64 = 50;
const STEPS: u64 = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    // Without syncs, so that what is seen is the CPU's part.
    let store = LocalStore::open(folder.path(), Options { sync: Sync::Off, ..Options::default() })?;
    let space = Space::new("items")?;
    let begun = (Instant::now(), cpu_time());
    let clients = (0..CLIENTS).map(|client| run(&store, &space, client));
    for result in futures_util::future::join_all(clients).await {
        result?;
    }
    report("commit", begun, CLIENTS * STEPS);
    let begun = (Instant::now(), cpu_time());
    let reads = 300_000;
    for n in 0..reads {
        store.get(&Shard::platform(), &at(&space, n % 500), NOW).await?;
    }
    report("get", begun, reads);
    Ok(())
}

async fn run(store: &LocalStore, space: &Space, client: u64) -> Result<(), StoreError> {
    let log = LogName::new(format!("orders/{client}"))?;
    let timer = TimerName::new(format!("late/{client}"))?;
    let bytes = bytes::Bytes::from(vec![7; 256]);
    for number in 0..STEPS {
        let put = |key| Write::Put { at: at(space, key), value: bytes.clone(), expires: None };
        let txn = Txn::new(NOW)
            .check(Check::Length { log: log.clone(), is: number })
            .write(put(number * 7_919 % 20_000))
            .write(put(number * 104_729 % 20_000))
            .write(Write::Append { log: log.clone(), records: vec![bytes.clone()] })
            .write(Write::Arm { timer: timer.clone(), at: Timestamp::from_millis(number), payload: bytes.clone() });
        store.commit(&Shard::platform(), txn).await?;
    }
    Ok(())
}

fn at(space: &Space, key: u64) -> At {
    At::new(space, format!("item/{key:08}"))
}

fn report(what: &str, (wall, cpu): (Instant, Duration), count: u64) {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    println!("{what}: {:.2} µs of CPU, {:.2} µs each", each(cpu_time() - cpu), each(wall.elapsed()));
}

/// CPU time of this process: clock ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
