//! Placing an order: the order, the index, the key, the log and the deadline for accepting it, in one commit.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasip3::{clocks::system_clock, random::random};

use crate::{
    http::{Answer, Call},
    order::{Draft, Event, Order},
    problem::{Problem, Wrong},
    store::{self, Append, Arm, Check, Committed, Error, LOG, Put, Write, Wrote, at, order_key, unit},
};

const KEY_CHARS_MAX: usize = 128;
/// How long an idempotency key is remembered.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept for an idempotency key.
#[derive(Serialize, Deserialize)]
struct Placed {
    order: String,
    /// Of the body: the same key with another body is a mistake.
    fingerprint: u64,
}

pub(crate) fn place(call: &Call) -> Result<Answer, Problem> {
    let draft: Draft = serde_json::from_slice(&call.body).map_err(|error| Problem::bad_request(error.to_string()))?;
    let faults = draft.faults();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let key = key_of(call)?;
    let now = now_ms();
    let order = draft.order(new_id(now), store::config("currency").unwrap_or_else(|| "EUR".to_owned()), now);
    let placed = Placed { order: order.id.clone(), fingerprint: fingerprint(&call.body) };
    let mut checks = vec![Check::Absent(at(order_key(&order.id)))];
    checks.extend(key.as_ref().map(|key| Check::Absent(at(key.clone()))));
    match unit::commit(&checks, &writes(&order, &placed, key.as_deref(), now)) {
        Ok(committed) => Ok(match position(&committed) {
            Some(position) => created(&order).header("event-position", position.to_string()),
            None => created(&order),
        }),
        // The second check is the key's: this order, or another, was placed with it.
        Err(Error::Conflict(1)) => again(key.as_deref().unwrap_or_default(), &placed),
        Err(error) => Err(store::failed(error)),
    }
}

/// Where in the log the order's event is.
fn position(committed: &Committed) -> Option<u64> {
    committed.wrote.iter().find_map(|wrote| match wrote {
        Wrote::Position(position) => Some(*position),
        Wrote::Done => None,
    })
}

fn created(order: &Order) -> Answer {
    Answer::json(201, order).header("location", format!("/orders/{}", order.id))
}

/// The answer of the first time. The order may have moved on since.
fn again(key: &str, now: &Placed) -> Result<Answer, Problem> {
    let first = store::get(key.to_owned())?.ok_or_else(Problem::unavailable)?;
    let first: Placed = serde_json::from_slice(&first).map_err(|_| Problem::unavailable())?;
    if first.fingerprint != now.fingerprint {
        return Err(Problem::key_reused());
    }
    let order = store::get(order_key(&first.order))?.ok_or_else(Problem::unavailable)?;
    let order: Order = serde_json::from_slice(&order).map_err(|_| Problem::unavailable())?;
    Ok(created(&order).header("idempotent-replay", "true"))
}

fn writes(order: &Order, placed: &Placed, key: Option<&str>, now: u64) -> Vec<Write> {
    let put = |key: String, value: Vec<u8>, expires| Write::Put(Put { at: at(key), value, expires });
    let event = Event { event: "placed", order: &order.id, restaurant: &order.restaurant, at: now };
    let within: u64 = store::config("accept-within").and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut writes = vec![
        put(order_key(&order.id), json(order), None),
        put(format!("restaurant/{}/{}", order.restaurant, order.id), Vec::new(), None),
        Write::Append(Append { log: LOG.to_owned(), records: vec![json(&event)] }),
        Write::Arm(Arm {
            timer: format!("accept/{}", order.id),
            at: now + within * 1000,
            payload: order.id.clone().into_bytes(),
        }),
    ];
    let until = now + u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX);
    writes.extend(key.map(|key| put(key.to_owned(), json(placed), Some(until))));
    writes
}

fn key_of(call: &Call) -> Result<Option<String>, Problem> {
    let Some(key) = call.header("idempotency-key") else { return Ok(None) };
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        let detail = "must have 1 to 128 characters";
        return Err(Problem::invalid(vec![Wrong { pointer: "Idempotency-Key".to_owned(), detail }]));
    }
    Ok(Some(format!("placed/{key}")))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a JSON form")
}

/// Sorts by time of placing: milliseconds, then randomness against collisions.
fn new_id(now: u64) -> String {
    format!("{now:011x}{:016x}", random::get_random_u64())
}

fn now_ms() -> u64 {
    let now = system_clock::now();
    u64::try_from(now.seconds).unwrap_or_default() * 1000 + u64::from(now.nanoseconds / 1_000_000)
}

/// FNV-1a. Tells apart mistakes, not adversaries: a caller can only confuse itself.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
