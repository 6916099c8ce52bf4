//! From source to component: new projects, toolchains, build commands, and the last step that turns a language's output
//! into a component.
//!
//! Nothing here runs a component. Invariants:
//! - What a build command prints is passed on line by line and kept only in a bounded tail.
//! - A missing tool is said with the command that installs it, before anything is run.
//! - Versions of foreign tools are written in one place: [`toolchain::versions`].

mod build;
pub mod componentize;
mod distribution;
mod error;
mod language;
mod new;
pub mod requests;
mod run;
pub mod toolchain;
mod wit;

pub use build::{Build, build};
pub use componentize::{Componentize, Kind, Lends, componentize};
pub use error::BuildError;
pub use language::Language;
pub use new::{NewError, new};
pub use toolchain::{Tool, Toolchains, install};

/// Where lines go that a build prints. One call a line, without its line break.
pub type OnLine<'a> = &'a mut dyn FnMut(&str);
