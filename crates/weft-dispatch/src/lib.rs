//! The front door. Every way into code enters by [`Dispatch::invoke`]: the same limits, the same meters, the same
//! faults, whoever calls.
//!
//! ```text
//! find the stage → breaker → admit (or wait, or shed) → run in the host → Head → … → End: meter, place given on
//! ```
//!
//! [`Dispatch::invoke`]: weft_types::Invoke::invoke

mod dispatch;
mod flight;
mod gate;
mod guard;
mod objectives;
mod stage;

pub use dispatch::Dispatch;
pub use gate::{Gate, GateOptions, Load, Permit, who};
pub use guard::Guard;
pub use objectives::{Objectives, Standing};
pub use stage::{Stage, StageOptions};
