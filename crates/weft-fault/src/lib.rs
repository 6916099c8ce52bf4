//! Faults that are put in on purpose: which are in force, and what they do to calls and answers.
//!
//! ```text
//! admin API ─► Injector ◄─ meet ─ the edge (routes) · dispatch (components) · upstreams (each try) · the node's store
//!                 └─ Harmed: wait ─ refuse ─ kill ─ spoil the body ─ mark
//! ```
//!
//! Which call is harmed decides the core, `weft_traffic::fault`; here it is given time, random numbers and a lock. While
//! no fault is in force, a step that could be harmed costs one relaxed load. Whatever was done is marked, on the answer or
//! on the failure, so that nobody hunts a ghost.

mod body;
mod harmed;
mod injector;
mod kinds;

pub use harmed::{Harmed, Mark, class, mark};
pub use injector::{Injected, Injector};
pub use kinds::Kinds;
