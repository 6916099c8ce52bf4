//! What every backend must do, held to what it declares in its [`Capabilities`].
//!
//! [`conform`] is a table of small stories, [`compare`] runs random transactions beside a naive [`Model`], and [`race`]
//! lets threads meet. A backend is done when all three pass over it.

mod check;
mod item;
mod log;
mod model;
mod queue;
mod race;
mod random;
mod timer;
mod txn;
mod wait;

pub use check::{Scene, T0};
pub use model::Model;
pub use race::race;
pub use random::{Draw, Universe, compare, compare_all};
pub use wait::wait;

use crate::{Capabilities, Shard, Store};
use weft_types::Name;

/// One story: a name, what it needs, and how it goes.
pub struct Case {
    pub name: &'static str,
    needs: fn(&Capabilities) -> bool,
    run: fn(&Scene<'_>),
}

/// Runs every case that the backend's capabilities promise, each on a shard of its own. Panics at what does not hold.
///
/// Returns the names of the cases that ran, so that a test can hold a backend to its whole promise.
pub fn conform(store: &dyn Store) -> Vec<&'static str> {
    let capabilities = store.capabilities();
    let promised = cases().filter(|case| (case.needs)(&capabilities));
    promised
        .map(|case| {
            let shard = Shard::of(&Name::nearest(case.name));
            (case.run)(&Scene { store, shard: &shard });
            case.name
        })
        .collect()
}

/// Every case, whatever it needs.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [item::CASES, log::CASES, queue::CASES, timer::CASES, txn::CASES].into_iter().flatten()
}

macro_rules! stories {
    ($($name:ident: $needs:expr;)*) => {
        pub(super) const CASES: &[crate::suite::Case] = &[$(crate::suite::Case {
            name: stringify!($name),
            needs: $needs,
            run: $name,
        }),*];
    };
}
use stories;
