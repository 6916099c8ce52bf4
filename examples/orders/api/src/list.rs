//! Reading orders: one, all, of a restaurant, and the log of what happened.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Call},
    order::Order,
    problem::Problem,
    store::{self, LOG, order_key, unit},
};

const LIMIT: u32 = 20;
const LIMIT_MAX: u32 = 100;

pub(crate) fn one(id: &str) -> Result<Answer, Problem> {
    let order = find(id)?.ok_or_else(|| Problem::not_found(format!("there is no order `{id}`")))?;
    Ok(Answer::json(200, &order))
}

/// `?state=placed&after=ID&limit=20`: in the order of their placing.
pub(crate) fn all(call: &Call) -> Result<Answer, Problem> {
    page(call, "order/", |_, value| read(value))
}

/// The same, of one restaurant.
pub(crate) fn of_restaurant(call: &Call, name: &str) -> Result<Answer, Problem> {
    page(call, &format!("restaurant/{name}/"), |id, _| find(id)?.ok_or_else(Problem::unavailable))
}

/// `?start=0&limit=20`: records of the log.
pub(crate) fn events(call: &Call) -> Result<Answer, Problem> {
    let start = number(call, "start", 0)?;
    let limit = limit(call)?;
    let records = unit::read(LOG, start, limit).map_err(store::failed)?;
    let events: Vec<Value> = records.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect();
    let next = start + records.len() as u64;
    Ok(Answer::json(200, &json!({ "events": events, "next": next })))
}

#[derive(Serialize)]
struct Orders {
    orders: Vec<Order>,
    /// What to send as `after` for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// Pages of a prefix whose keys end in an order's id. Goes on until it has `limit` orders of the state asked for.
fn page(call: &Call, prefix: &str, load: impl Fn(&str, &[u8]) -> Result<Order, Problem>) -> Result<Answer, Problem> {
    let limit = limit(call)?;
    let state = call.query("state");
    let mut after = call.query("after").map(|id| format!("{prefix}{id}"));
    let mut orders = Vec::new();
    loop {
        let page = store::scan(prefix, after.as_deref(), limit)?;
        for entry in &page.entries {
            let id = entry.key.strip_prefix(prefix).unwrap_or_default();
            let order = load(id, &entry.value)?;
            if state.is_none_or(|state| order.state == state) {
                orders.push(order);
            }
            if orders.len() == limit as usize {
                return Ok(Answer::json(200, &Orders { after: Some(id.to_owned()), orders }));
            }
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => return Ok(Answer::json(200, &Orders { orders, after: None })),
        }
    }
}

fn find(id: &str) -> Result<Option<Order>, Problem> {
    store::get(order_key(id))?.map(|value| read(&value)).transpose()
}

fn read(value: &[u8]) -> Result<Order, Problem> {
    serde_json::from_slice(value).map_err(|error| {
        eprintln!("an order in the store cannot be read: {error}");
        Problem::unavailable()
    })
}

fn limit(call: &Call) -> Result<u32, Problem> {
    let limit = number(call, "limit", LIMIT)?;
    match limit {
        1..=LIMIT_MAX => Ok(limit),
        _ => Err(Problem::bad_request(format!("`limit` must be 1 to {LIMIT_MAX}"))),
    }
}

fn number<T: std::str::FromStr>(call: &Call, name: &str, otherwise: T) -> Result<T, Problem> {
    let Some(text) = call.query(name) else { return Ok(otherwise) };
    text.parse().map_err(|_| Problem::bad_request(format!("`{name}` must be a number")))
}
