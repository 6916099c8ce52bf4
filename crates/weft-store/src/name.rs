//! Names and numbers of stored things. None can be taken for another, and a name too long cannot be made.

use std::{fmt, sync::Arc};

use weft_types::Name;

use crate::{StoreError, bound::NAME_MAX};

/// What is committed together: one application, or the platform's own state. No transaction spans two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(Arc<str>);

impl Shard {
    pub fn of(application: &Name) -> Self {
        Self(application.as_str().into())
    }

    /// The platform's own: plans, revisions, leases. No application can have this name, since a
    /// [`Name`] begins with a letter.
    pub fn platform() -> Self {
        Self("_platform".into())
    }

    /// A DNS label, or `_platform`: safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Any UTF-8 of 1 to [`NAME_MAX`](crate::bound::NAME_MAX) bytes.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, StoreError> {
                let text = text.into();
                match text.len() {
                    1..=NAME_MAX => Ok(Self(text)),
                    is => Err(StoreError::TooLarge { what: $what, is, limit: NAME_MAX }),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        // A manifest's name is short, so it is a name of everything here.
        impl From<&Name> for $name {
            fn from(name: &Name) -> Self {
                Self(name.as_str().into())
            }
        }
    )*};
}

names! {
    /// A set of keys of its own: one bucket that a manifest declares, or one kind of the platform's records.
    Space "the name of a key space";
    /// An append-only sequence of records: a journal, a topic's partition, an outbox.
    LogName "the name of a log";
    QueueName "the name of a queue";
    /// What a wake-up is for. Arming it again replaces it.
    TimerName "the name of a timer";
    /// What a fencing epoch belongs to: an actor, a partition, a role.
    Owner "the name of an owner";
    /// What the ids of a [`First`](crate::Check::First) are unique in.
    Scope "the name of a scope";
    /// Messages of one group are delivered one after the other.
    Group "the name of a group";
}

/// The number of the commit that last wrote a thing. Grows within a shard, and is never given twice: an item deleted
/// and put again has another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

/// The number of a message: the commit's version and the write's index in it. Grows within a shard.
///
/// ```text
/// | version: 52 bits | index of the write: 12 bits |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    pub fn new(commit: Version, write: usize) -> Self {
        debug_assert!(write < crate::bound::OPS_MAX, "a transaction is checked before it runs");
        Self((commit.0 << 12) | (write as u64 & 0xfff))
    }
}

/// A fencing token. Zero: nobody has ever owned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_least_one_byte_and_at_most_its_limit() {
        assert!(Space::new("s").is_ok());
        assert!(Space::new("s".repeat(NAME_MAX)).is_ok());
        for bad in ["".to_owned(), "s".repeat(NAME_MAX + 1)] {
            assert!(matches!(Space::new(bad), Err(StoreError::TooLarge { limit: NAME_MAX, .. })));
        }
    }

    #[test]
    fn a_seq_orders_by_commit_and_then_by_write() {
        assert!(Seq::new(Version(1), 4_095) < Seq::new(Version(2), 0));
        assert!(Seq::new(Version(2), 0) < Seq::new(Version(2), 1));
    }
}
