//! Places and lists food orders.
//!
//! `POST /orders` · `GET /orders` · `GET /orders/:id` · `GET /restaurants/:name/orders` · `GET /events`

mod http;
mod list;
mod order;
mod place;
mod problem;
mod store;

use http::{Answer, Call};
use problem::Problem;
use wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Request, Response},
};

struct Api;

wasip3::http::service::export!(Api);

impl Guest for Api {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let answer = match Call::read(request).await {
            Ok(call) => route(&call).unwrap_or_else(|problem| problem.answer()),
            Err(answer) => answer,
        };
        Ok(answer.send())
    }
}

fn route(call: &Call) -> Result<Answer, Problem> {
    let segments: Vec<&str> = call.path.split('/').skip(1).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["orders"]) => place::place(call),
        ("GET", ["orders"]) => list::all(call),
        ("GET", ["orders", id]) => list::one(id),
        ("GET", ["restaurants", name, "orders"]) => list::of_restaurant(call, &http::decode(name)),
        ("GET", ["events"]) => list::events(call),
        _ => Err(Problem::not_found("there is nothing at this path")),
    }
}
