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
//! which waiter to wake. [`PriorityAdmission`] is one that knows priorities and tenants and sheds a standing queue
//! ([`codel`]); [`gradient`] finds how many calls at once it should let in, and [`adaptive`] when that holds.
//!
//! # Policies
//!
//! [`Policy::resolve`] folds the levels of a manifest into one policy, with origins; its parts give each core its
//! `Options`. What a call meets, in this order:
//!
//! ```text
//! gcra        over its rate?               429           split    which arm, sticky; mirror: copied too?
//! breaker     is the callee open?          503           balance  which endpoint; outlier: who is left out
//! admission   a place, a queue, or shed    503           hedge    a second try beside a late one
//! retry       again, when, paid by budget  or why not    fault    harm on purpose
//! slo         what is left of the promise
//! ```
//!
//! All are state machines: time and random numbers come by argument, so the same inputs give the same bytes.
//! Each is bounded, says why it decided, and does constant or logarithmic work without allocation on a call.

pub mod adaptive;
mod admission;
mod arms;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod cache;
mod chance;
pub mod codel;
mod compiled;
mod disguise;
mod endpoint;
mod explain;
pub mod fault;
pub mod feature;
pub mod forwarded;
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
mod network;
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
mod upstream;

pub use admission::{Admission, Admit, Limits, Ticket};
pub use arms::{Arms, Callee, MirrorTo};
pub use compiled::{CompiledRoute, RouteError};
pub use explain::{Candidate, Explanation, Origin};
pub use head::{Found, Miss, Param, RequestHead};
pub use locality::{HEALTHY_MIN, Locality, Near, Spread};
pub use network::{Network, NetworkError, Networks};
pub use policy::{Fallback, Patch, Policy, Resolution};
pub use priority::{PriorityAdmission, Told, Who, Why};
pub use rate::{Per, Rate};
pub use ratio::Ratio;
pub use ring::Counts;
pub use route::{Action, Files, HeaderMatch, Place, RouteSpec};
pub use table::Table;
pub use upstream::{Upstream, UpstreamAddress, UpstreamAddressError, Wire};
