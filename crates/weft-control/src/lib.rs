//! What a node shall run: immutable revisions, which of them is current, and how that came to be.
//!
//! ```text
//! artefacts   DATA/artefacts/ab/ab12….   what was sent, under its own digest, synced before it is acknowledged
//! record      an artefact too: the application with the digests of its parts; its revision names all of it
//! current     a pointer for each application, swapped in one commit with its history and the node's plan number
//! ```
//! Invariants:
//! - A revision never changes, and nothing that a kept revision needs is deleted.
//! - A pointer is swapped only after everything that it leads to is on disk.
//! - A commit of which the store does not know whether it lasts is tried again and looked for, never assumed.
//! - Every change is one record of the log of plans: its length is the number of the plan that holds.

mod artefacts;
mod candidate;
mod control;
mod error;
mod folders;
mod off;
mod record;
mod swap;

pub use artefacts::{Artefacts, Upload};
pub use candidate::Candidate;
pub use control::Control;
pub use error::ControlError;
pub use folders::files_in;
pub use record::{Current, Desired, Entry, Record};
