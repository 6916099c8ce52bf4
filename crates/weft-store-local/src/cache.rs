//! Items that were read before, kept coherent by the writer: never older than what any other read sees.
//!
//! Before a commit becomes visible, the writer marks every key that it touches as *in writing*; reads of those go to
//! the file. After it, the mark becomes the new item, or goes. A reader that fetched an item while its key was written
//! may hold the old one; its place in the cache is refused by a count of writes taken before it read.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use weft_store::{At, Item};

/// Parts with a lock each.
const PARTS: usize = 16;
/// What a kept item costs beside its bytes.
const ENTRY_BYTES: usize = 128;
/// Larger values are read from the file, lest one of them push out a hundred others.
const VALUE_MAX: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Cache {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    /// Bound of each part, in bytes.
    part_bytes: usize,
}

#[derive(Debug, Default)]
struct Part {
    kept: HashMap<At, Kept>,
    /// Keys of `Kept::Item`, the first to go in front; also some that have gone.
    order: VecDeque<At>,
    bytes: usize,
    /// Raised whenever a key of this part is written.
    writes: u64,
}

#[derive(Debug)]
enum Kept {
    Item {
        item: Option<Item>,
        /// Read since it was last in front of the line.
        used: bool,
    },
    /// A commit that touches it is under way. `read`: it was kept, so keep what it becomes.
    InWriting { read: bool },
}

/// What a lookup gives.
pub(crate) enum Found {
    Hit(Option<Item>),
    Miss(Ticket),
}

/// Lets a reader put what it fetched, unless it may be old by then.
pub(crate) struct Ticket {
    writes: u64,
}

impl Cache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { parts: Default::default(), hasher: RandomState::new(), part_bytes: bytes / PARTS }
    }

    fn part(&self, at: &At) -> MutexGuard<'_, Part> {
        let part = self.hasher.hash_one(&at.key) as usize % PARTS;
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, at: &At) -> Found {
        let mut part = self.part(at);
        match part.kept.get_mut(at) {
            Some(Kept::Item { item, used }) => {
                *used = true;
                Found::Hit(item.clone())
            }
            _ => Found::Miss(Ticket { writes: part.writes }),
        }
    }

    /// Keeps what was read with this ticket.
    pub(crate) fn put(&self, at: &At, item: Option<&Item>, ticket: &Ticket) {
        let size = size(at, item);
        if size > self.part_bytes || item.is_some_and(|item| item.value.len() > VALUE_MAX) {
            return;
        }
        let mut part = self.part(at);
        if part.writes != ticket.writes {
            return;
        }
        // A copy: the caller's key may be a small part of something large.
        let own = At { space: at.space.clone(), key: Bytes::copy_from_slice(&at.key) };
        if let Entry::Vacant(vacant) = part.kept.entry(own.clone()) {
            vacant.insert(Kept::Item { item: item.cloned(), used: false });
            part.bytes += size;
            part.order.push_back(own);
            part.shrink(self.part_bytes);
        }
    }

    /// A commit that touches this key is about to become visible.
    pub(crate) fn begin(&self, at: &At) {
        let mut part = self.part(at);
        part.writes += 1;
        match part.kept.get_mut(at) {
            Some(kept @ Kept::Item { .. }) => {
                let before = std::mem::replace(kept, Kept::InWriting { read: true });
                part.bytes -= before.size(at);
            }
            Some(Kept::InWriting { .. }) => {}
            None => drop(part.kept.insert(at.clone(), Kept::InWriting { read: false })),
        }
    }

    /// The commit is visible, or never will be. `Some`: this is what the item became. Of several ends of one key the
    /// first counts, so a batch is ended from its last write back.
    pub(crate) fn end(&self, at: &At, became: Option<Option<Item>>) {
        let mut part = self.part(at);
        part.writes += 1;
        let Some(Kept::InWriting { read }) = part.kept.get(at) else { return };
        let read = *read;
        part.kept.remove(at);
        if !read {
            return;
        }
        let fits = |item: &Option<Item>| item.as_ref().is_none_or(|item| item.value.len() <= VALUE_MAX);
        let Some(item) = became.filter(fits) else { return };
        let own = At { space: at.space.clone(), key: Bytes::copy_from_slice(&at.key) };
        let item = item.map(|item| Item { value: Bytes::copy_from_slice(&item.value), ..item });
        part.bytes += size(&own, item.as_ref());
        part.order.push_back(own.clone());
        part.kept.insert(own, Kept::Item { item, used: false });
        part.shrink(self.part_bytes);
    }
}

impl Part {
    /// Lets go of what has not been read for longest, about.
    fn shrink(&mut self, bytes_max: usize) {
        // Each key is looked at twice at most: the second time it counts as unused.
        let mut looks = 2 * self.order.len();
        while (self.bytes > bytes_max || self.order.len() > 2 * self.kept.len() + 16) && looks > 0 {
            looks -= 1;
            let Some(at) = self.order.pop_front() else { return };
            match self.kept.get_mut(&at) {
                Some(Kept::Item { used, .. }) if *used => {
                    *used = false;
                    self.order.push_back(at);
                }
                Some(kept @ Kept::Item { .. }) => {
                    self.bytes -= kept.size(&at);
                    self.kept.remove(&at);
                }
                // Written or gone since: whoever keeps it again puts it in the line again.
                _ => {}
            }
        }
    }
}

impl Kept {
    fn size(&self, at: &At) -> usize {
        match self {
            Self::Item { item, .. } => size(at, item.as_ref()),
            Self::InWriting { .. } => 0,
        }
    }
}

fn size(at: &At, item: Option<&Item>) -> usize {
    ENTRY_BYTES + 2 * at.key.len() + item.map_or(0, |item| item.value.len())
}

#[cfg(test)]
mod tests {
    use weft_store::{Space, Version};

    use super::*;

    fn at(key: u64) -> At {
        At::new(&Space::new("s").unwrap(), key.to_string())
    }

    fn item(version: u64) -> Option<Item> {
        Some(Item { value: vec![7; 100].into(), version: Version(version), expires: None })
    }

    fn hit(cache: &Cache, key: u64) -> Option<Option<u64>> {
        match cache.get(&at(key)) {
            Found::Hit(item) => Some(item.map(|item| item.version.0)),
            Found::Miss(_) => None,
        }
    }

    fn ticket(cache: &Cache, key: u64) -> Ticket {
        match cache.get(&at(key)) {
            Found::Miss(ticket) => ticket,
            Found::Hit(item) => panic!("{item:?}"),
        }
    }

    #[test]
    fn what_was_read_is_kept_and_follows_writes() {
        let cache = Cache::new(1 << 20);
        let first = ticket(&cache, 1);
        cache.put(&at(1), item(1).as_ref(), &first);
        let absent = ticket(&cache, 2);
        cache.put(&at(2), None, &absent);
        assert_eq!((hit(&cache, 1), hit(&cache, 2)), (Some(Some(1)), Some(None)));
        cache.begin(&at(1));
        assert_eq!(hit(&cache, 1), None);
        cache.end(&at(1), Some(item(2)));
        assert_eq!(hit(&cache, 1), Some(Some(2)));
        // One batch writes it twice: what it became last is said first.
        (0..2).for_each(|_| cache.begin(&at(1)));
        cache.end(&at(1), Some(item(4)));
        cache.end(&at(1), Some(item(3)));
        assert_eq!(hit(&cache, 1), Some(Some(4)));
        cache.begin(&at(1));
        cache.end(&at(1), None);
        assert_eq!(hit(&cache, 1), None);
        // What nobody read is not kept because it was written.
        cache.begin(&at(3));
        cache.end(&at(3), Some(item(3)));
        assert_eq!(hit(&cache, 3), None);
    }

    #[test]
    fn what_may_be_old_is_not_kept() {
        let cache = Cache::new(1 << 20);
        // Fetched before the write began, put while it is under way, or after.
        let before = ticket(&cache, 1);
        cache.begin(&at(1));
        cache.put(&at(1), item(1).as_ref(), &before);
        assert_eq!(hit(&cache, 1), None);
        let during = ticket(&cache, 1);
        cache.put(&at(1), item(1).as_ref(), &during);
        assert_eq!(hit(&cache, 1), None);
        cache.end(&at(1), Some(item(2)));
        for old in [before, during] {
            cache.put(&at(1), item(1).as_ref(), &old);
            assert_eq!(hit(&cache, 1), None);
        }
    }

    #[test]
    fn it_keeps_to_its_bound_and_prefers_what_is_read() {
        let bytes = 64 << 10;
        let cache = Cache::new(bytes);
        for key in 0..10_000 {
            if hit(&cache, key % 10).is_none() {
                let fresh = ticket(&cache, key % 10);
                cache.put(&at(key % 10), item(0).as_ref(), &fresh);
            }
            if hit(&cache, key).is_none() {
                let fresh = ticket(&cache, key);
                cache.put(&at(key), item(key).as_ref(), &fresh);
            }
            if key % 3 == 0 {
                cache.begin(&at(key));
                cache.end(&at(key), Some(item(key)));
            }
        }
        let parts = cache.parts.iter().map(|part| part.lock().unwrap());
        let (held, line) = parts.fold((0, 0), |sum, part| (sum.0 + part.bytes, sum.1 + part.order.len()));
        assert!(held <= bytes && held > bytes / 2, "{held}");
        assert!(line < 1_000, "{line}");
        assert_eq!((0..10).filter(|key| hit(&cache, *key).is_some()).count(), 10);
        let large = ticket(&cache, 77_777);
        let value = Some(Item { value: vec![0; VALUE_MAX + 1].into(), version: Version(1), expires: None });
        cache.put(&at(77_777), value.as_ref(), &large);
        assert_eq!(hit(&cache, 77_777), None);
    }
}
