//! HTTP to [`Invocation`](weft_types::Invocation) and back: accept loops, TLS, HTTP semantics, who is calling,
//! and the one table from a failure to a status.
//!
//! ```text
//! listen   accept, cap, sweep, drain
//!   proxy    whose connection it is, where a balancer in front says so
//!   conn     TLS · which HTTP · hyper · closing in peace          pulse: what a connection waits for, since when
//!     clients  the certificate that it showed
//!     streams  those of an HTTP/2 connection: unread ones end, and clients that give up most are sent away
//!     edge     who is calling · head checked → route → Invocation → Outcome          authority · hop · guard · trace · inflow
//!       answer · tail    an answer as long as it says, its exchange told of at its end      problem · status
//! ```
//!
//! A connection lives on one lane: one thread, one event loop. The hot path allocates what it hands on (the request,
//! the invocation's future) and little else; it arms no timer, spawns nothing, and reads the clock at the head and at the end of a request.

mod answer;
mod authority;
mod cache;
mod clients;
mod conn;
mod edge;
mod errand;
mod exchange;
mod feature;
mod files;
mod flow;
mod gateway;
mod guard;
mod handler;
mod harm;
mod heard;
mod hop;
mod inflow;
mod io;
mod lanes;
mod limits;
mod listen;
mod mirror;
mod observe;
mod patience;
mod problem;
mod proxy;
mod pulse;
mod random;
mod rates;
mod socket;
mod split;
mod status;
mod streams;
mod tail;
mod tls;
mod trace;

pub use clients::ClientAuth;
pub use gateway::{Gateway, serve};
pub use lanes::Lanes;
pub use limits::Limits;
pub use listen::{BindError, Listener, Running};
pub use observe::{ConnectionEvent, Observed, Observer};
pub use random::{Randomness, SystemRandomness};
pub use status::status;
pub use tls::{CertificateFiles, Tls, TlsError};
