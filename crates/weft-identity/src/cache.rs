//! Credentials that were found good, by their hash, until they expire: a known one costs a hash and a lookup.
//!
//! ```text
//! SHA-256 of the credential ─► one of 16 shards ─► one of its sets ─► at most 8 entries, the least used goes
//! ```
//!
//! Bounded, so that a flood of good credentials costs others at most a verification more. Bad ones are not kept.

use std::sync::Arc;

use ::ring::digest::{SHA256, digest};
use parking_lot::Mutex;
use weft_types::{Identity, Timestamp};

const SHARDS: usize = 16;
const SETS: usize = 64;
const WAYS: usize = 8;

/// Credentials that are known at once.
#[cfg(test)]
const ENTRIES_MAX: usize = SHARDS * SETS * WAYS;

pub(crate) type Hash = [u8; 32];

pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Empty until the first credential comes.
    sets: Vec<Vec<Entry>>,
    /// Counts lookups: an entry's last is how recently it was used.
    uses: u64,
}

struct Entry {
    hash: Hash,
    until: Timestamp,
    used: u64,
    identity: Arc<Identity>,
}

/// Of a credential as it was sent.
pub(crate) fn hash(credential: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, credential).as_ref());
    hash
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    pub(crate) fn find(&self, hash: &Hash, now: Timestamp) -> Option<Arc<Identity>> {
        let (shard, set) = place(hash);
        let mut shard = self.shards[shard].lock();
        shard.uses += 1;
        let uses = shard.uses;
        let entry = shard.sets.get_mut(set)?.iter_mut().find(|entry| entry.hash == *hash)?;
        (now < entry.until).then(|| {
            entry.used = uses;
            Arc::clone(&entry.identity)
        })
    }

    /// Keeps a credential in place of one that has expired, else of the one that was used longest ago.
    pub(crate) fn keep(&self, hash: Hash, identity: Arc<Identity>, until: Timestamp, now: Timestamp) {
        let (shard, set) = place(&hash);
        let mut shard = self.shards[shard].lock();
        shard.uses += 1;
        let used = shard.uses;
        shard.sets.resize_with(SETS, Vec::new);
        let set = &mut shard.sets[set];
        set.retain(|entry| entry.hash != hash && now < entry.until);
        if set.len() == WAYS
            && let Some(oldest) = (0..WAYS).min_by_key(|at| set[*at].used)
        {
            set.swap_remove(oldest);
        }
        set.push(Entry { hash, until, used, identity });
    }

    /// Forgets all: what they were verified by has changed.
    pub(crate) fn clear(&self) {
        self.shards.iter().for_each(|shard| shard.lock().sets.clear());
    }
}

fn place(hash: &Hash) -> (usize, usize) {
    (usize::from(hash[0]) % SHARDS, usize::from(hash[1]) % SETS)
}

#[cfg(test)]
mod tests {
    use weft_types::Name;

    use super::*;
    use crate::person;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn a_credential_is_known_until_it_expires_and_the_least_used_of_a_set_goes() {
        let auth = Name::new("staff").expect("a name");
        let alice = Arc::new(person::identity(&auth, "alice", None, Vec::new()).expect("fit"));
        let cache = Cache::new();
        let of = |number: u8| [[7, 7].as_slice(), &[number; 30]].concat().try_into().expect("32 bytes");
        for number in 0..WAYS as u8 {
            cache.keep(of(number), Arc::clone(&alice), at(100), at(1));
        }
        assert!(cache.find(&of(0), at(99)).is_some());
        assert!(cache.find(&of(0), at(100)).is_none(), "expired");
        cache.keep(of(100), Arc::clone(&alice), at(300), at(2));
        assert!(cache.find(&of(1), at(2)).is_none(), "the one used longest ago made room");
        assert!(cache.find(&of(0), at(2)).is_some() && cache.find(&of(100), at(2)).is_some());
        cache.clear();
        assert!(cache.find(&of(100), at(2)).is_none());
    }

    #[test]
    fn more_credentials_than_there_is_room_for_are_bounded() {
        let auth = Name::new("staff").expect("a name");
        let alice = Arc::new(person::identity(&auth, "alice", None, Vec::new()).expect("fit"));
        let cache = Cache::new();
        for number in 0..4 * ENTRIES_MAX as u32 {
            cache.keep(hash(&number.to_le_bytes()), Arc::clone(&alice), at(100), at(1));
        }
        let held: usize =
            cache.shards.iter().flat_map(|s| s.lock().sets.iter().map(Vec::len).collect::<Vec<_>>()).sum();
        assert!(held <= ENTRIES_MAX, "{held}");
    }
}
