//! Calls to services that are not WebAssembly: one more implementation of [`Invoke`](weft_types::Invoke).
//!
//! ```text
//! breaker ─▶ endpoint (two by weight, the cheaper) ─▶ pool or connect ─▶ send ─▶ Head ─▶ … ─▶ End
//!    ▲                         ▲                                          │
//!    └──────── again? ─────────┴── only what did not run, or may be repeated, within budget and deadline
//! ```
//!
//! Where calls are hedged, a first try that is late gets a second one beside it, and the first good answer counts.
//!
//! Bodies stream both ways, a frame at a time. Of a request's body at most 64 KiB are held until the Head, so that it
//! can be sent once more; a longer one gets one try. Dropping the call, or the answer's body, resets the stream or
//! closes the connection. How many calls there are at once is for the door to bound.

mod answer;
mod connect;
mod error;
mod flight;
mod forward;
mod health;
mod hedge;
mod options;
mod pools;
mod replay;
mod upstream;

pub use flight::Hedged;
pub use health::Checking;
pub use options::{Call, Endpoint, Faulty, Health, Options, Senses, Silent, Tried, Watch};
pub use upstream::{Status, Upstream};
pub use weft_dial::{Identity, PemError, Roots, Tls};
