//! `bench idle`: what an application costs in memory that was deployed, answered once, and is left alone.

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

use crate::{
    args::{Args, guest},
    figure::Figure,
    node,
    server::{Server, first_byte},
};

/// Applied and asked before the first look, so that what the process needs once is not counted. Their code is in memory
/// then and evicted later, which makes a thousand applications look smaller by 6 KiB each, ten thousand by 0.6.
const WARM: u32 = 20;
/// Applications are applied by so many at once: most of the time goes to fsync.
const HANDS: usize = 4;
/// The node evicts code unused for five minutes, and looks every five seconds.
const EVICTED_AFTER: Duration = Duration::from_secs(5 * 60 + 15);
/// Memory is given back to the system a while after it is freed: it is read when it no longer falls.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Args) -> Result<Vec<Figure>, String> {
    let wasm = fs::read(guest("hello-p2.wasm")?).map_err(|e| e.to_string())?;
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let data = scratch.path().join("data");
    let node = node::serve(&data)?;
    let address = node.address;
    let one = |number: u32| -> Result<(), String> {
        let name = format!("idle-{number}");
        let folder = scratch.path().join(&name);
        node::write_application(&folder, &name, &node::distinct(&wasm, number))?;
        node::apply(&data, &folder)?;
        first_byte(address, &format!("{name}.test"))?;
        // The node has its own copy.
        fs::remove_dir_all(&folder).map_err(|e| e.to_string())
    };
    (0..WARM).try_for_each(one)?;
    let before = node.process.memory()?.0;
    let next = AtomicU32::new(WARM);
    let work = || -> Result<(), String> {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= WARM + args.applications {
                return Ok(());
            }
            one(number)?;
            if number.is_multiple_of(1000) {
                eprintln!("idle: {number} applications");
            }
        }
    };
    thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(work)).collect();
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(|_| Err("a thread failed".to_owned())))
    })?;
    let at_once = node.process.memory()?.0;
    let after = settled(&node)?;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / 1024.0 / f64::from(args.applications);
    Ok(vec![
        Figure::of(format!("idle/{}-applications", args.applications), "KiB", &[each(after)], Some(100.0)),
        Figure::of("idle/before-eviction", "KiB", &[each(at_once)], None),
    ])
}

/// Resident bytes once everything is idle and they no longer fall.
fn settled(node: &Server) -> Result<u64, String> {
    thread::sleep(EVICTED_AFTER);
    let mut least = node.process.memory()?.0;
    for _ in 0..SETTLES_WITHIN.as_secs() / LOOK.as_secs() {
        thread::sleep(LOOK);
        let now = node.process.memory()?.0;
        if now + (1 << 20) > least {
            return Ok(now.min(least));
        }
        least = now;
    }
    Ok(least)
}
