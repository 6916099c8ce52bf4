//! Pure traffic decisions: which route, which policy, whether to admit. No IO, no clock, no tokio.
//!
//! # Finding a route
//!
//! ```text
//! Table::compile(Vec<RouteSpec>) -> Result<Table, Vec<RouteError>>       whole, validated, immutable
//! table.find(&RequestHead { host, path, method, headers })               < 1 µs, no allocation without params
//!     -> Ok(Found { route: &CompiledRoute, params, rest })
//!      | Err(Miss::NoRoute | Miss::MethodNotAllowed { allow } | Miss::BadPath { reason })     miss.code()
//! table.explain(&head) -> Explanation                                    serialisable; for `weft explain`
//! ```
//!
//! Of all routes that match a request the greatest by this order answers it; the order is total, because a tie
//! that a request could meet is refused when the table is compiled:
//!
//! 1. host: named exactly, over `*.example.com`, over any;
//! 2. path, segment by segment from the left: a literal, over `:param`, over a final `*`;
//! 3. method: listed, over HEAD implied by a listed GET, over any;
//! 4. the number of header matches.
//!
//! # Admission
//!
//! [`Admission`] is a concurrency limit with a bounded first-in-first-out queue, as a state machine that says
//! which waiter to wake. [`Policy::resolve`] folds the levels of a manifest into one policy, with origins.

mod admission;
pub mod balance;
pub mod breaker;
pub mod budget;
mod chance;
pub mod codel;
mod compiled;
mod endpoint;
mod explain;
pub mod fault;
pub mod gcra;
pub mod gradient;
mod head;
pub mod hedge;
mod host;
mod lanes;
pub mod latency;
mod locality;
mod map;
mod methods;
pub mod mirror;
pub mod outlier;
mod pace;
mod path;
mod pattern;
pub mod policy;
mod priority;
mod rate;
mod ratio;
pub mod retry;
mod ring;
mod route;
pub mod slo;
pub mod split;
mod table;
mod tie;
pub mod units;

pub use admission::{Admission, Admit, Limits, Ticket};
pub use compiled::{CompiledRoute, RouteError};
pub use explain::{Candidate, Explanation, Origin};
pub use head::{Found, Miss, Param, RequestHead};
pub use locality::{HEALTHY_MIN, Locality, Near, Spread};
pub use policy::{Fallback, Patch, Policy, Resolution};
pub use priority::{PriorityAdmission, Told, Who, Why};
pub use rate::{Per, Rate};
pub use ratio::Ratio;
pub use ring::Counts;
pub use route::{Action, Files, HeaderMatch, Place, RouteSpec};
pub use table::Table;
