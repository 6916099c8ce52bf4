//! The example application, started and asked as its users would.

use crate::sh::Done;

pub(crate) fn run(_once: bool) -> Done {
    Err("written next".into())
}
