//! Open-loop load, timed from the intended send, and the capacity at a service level objective.
//!
//! ```text
//!  stages ─▶ schedule ─▶ places ─▶ driver ─▶ tally ─▶ judge ─▶ search
//!            (when due)  (bound)   (sockets)  (counts)  └────▶ cause (what gave way first)
//! ```
//!
//! Everything but the driver is pure: time and seeds are arguments, and its tests run on virtual time. Requests are due
//! when the schedule says, whatever the server does. One that cannot be sent when it is due, because as many as may be
//! are in flight, is sent late and timed from when it was due, or not at all and counted: never silently left out.

pub mod cause;
pub mod driver;
pub mod experiment;
pub mod places;
pub mod report;
pub mod schedule;
pub mod search;
pub mod session;
pub mod slo;
pub mod tally;
