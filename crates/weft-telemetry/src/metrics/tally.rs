//! Counts by class and code. Made on the first failure: what works needs no table.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use weft_types::{CODES, Class, Code};

pub(crate) const CLASSES: [Class; 4] = [Class::Ok, Class::CallerFault, Class::Failure, Class::Shed];

pub(crate) fn class_name(class: Class) -> &'static str {
    match class {
        Class::Ok => "ok",
        Class::CallerFault => "caller-fault",
        Class::Failure => "failure",
        Class::Shed => "shed",
    }
}

pub(crate) fn class_index(class: Class) -> usize {
    match class {
        Class::Ok => 0,
        Class::CallerFault => 1,
        Class::Failure => 2,
        Class::Shed => 3,
    }
}

/// One count for each of the classes and each of our codes.
#[derive(Debug, Default)]
pub(crate) struct Tally(OnceLock<Box<[AtomicU64]>>);

impl Tally {
    pub(crate) fn count(&self, class: Class, code: Code) {
        let cells = self.0.get_or_init(|| (0..CLASSES.len() * CODES.len()).map(|_| AtomicU64::new(0)).collect());
        if let Some(at) = CODES.iter().position(|info| std::ptr::eq(*info, code.info()) || info.name == code.as_str()) {
            cells[class_index(class) * CODES.len() + at].fetch_add(1, Relaxed);
        }
    }

    /// Every count above zero, in the order of classes and codes.
    pub(crate) fn read(&self) -> impl Iterator<Item = (Class, &'static str, u64)> {
        let cells = self.0.get().map(|cells| &**cells).unwrap_or_default();
        cells.iter().enumerate().filter_map(|(at, cell)| match cell.load(Relaxed) {
            0 => None,
            count => Some((CLASSES[at / CODES.len()], CODES[at % CODES.len()].name, count)),
        })
    }
}

#[cfg(test)]
mod tests {
    use weft_types::code;

    use super::*;

    #[test]
    fn counts_are_kept_apart_by_class_and_code() {
        let tally = Tally::default();
        assert_eq!(tally.read().count(), 0);
        tally.count(Class::Shed, code::OVERLOADED);
        tally.count(Class::Failure, code::GUEST_TRAP);
        tally.count(Class::Failure, code::GUEST_TRAP);
        let read: Vec<_> = tally.read().collect();
        assert_eq!(read, [(Class::Failure, "guest-trap", 2), (Class::Shed, "overloaded", 1)]);
    }

    #[test]
    fn a_class_is_found_at_its_own_index() {
        for (at, class) in CLASSES.into_iter().enumerate() {
            assert_eq!(class_index(class), at);
        }
    }
}
