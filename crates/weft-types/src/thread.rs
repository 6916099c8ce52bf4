//! A number for each thread: what threads keep apart is found by it.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

const UNSET: usize = usize::MAX;

thread_local!(static MINE: Cell<usize> = const { Cell::new(UNSET) });

/// The number of this thread: its own if it was given one, otherwise the next, from 0, in the order of asking. Several
/// threads may share one; those that serve are given theirs, so that no two of them meet in one of as many shelves.
pub fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    MINE.with(|mine| match mine.get() {
        UNSET => {
            let number = NEXT.fetch_add(1, Relaxed);
            mine.set(number);
            number
        }
        number => number,
    })
}

/// Numbers this thread.
pub fn number_thread(number: usize) {
    MINE.set(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_number_and_may_be_given_one() {
        let mine = thread_number();
        let other = std::thread::spawn(|| [thread_number(), thread_number()]).join().expect("no panic");
        assert_eq!((mine, other[0]), (thread_number(), other[1]));
        assert_ne!(mine, other[0]);
        number_thread(7);
        assert_eq!(thread_number(), 7);
    }
}
