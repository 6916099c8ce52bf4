//! Key-value stores: what `wasi:keyvalue` asks for, over the port. Its drafts are faces over this.

mod faces;
mod shapes;

use std::sync::Arc;

use bytes::Bytes;
pub(super) use faces::link;
pub(crate) use shapes::link_for;
use weft_store::{
    At, Check, Commit, Found, Item, Op, Scan, Shard, Space, Store, StoreError, Txn, Version, Write, Wrote,
    bound::{KEY_MAX, OP_BYTES, OPS_MAX, PAGE_MAX, TXN_BYTES_MAX, VALUE_MAX},
};
use weft_types::{Clock, Timestamp};

/// Keys read at a time by a batch: bounds what is in memory beside the answer.
const READ_TOGETHER: usize = 16;
/// Largest answer of a batch, in bytes of its values.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// One store, as one component may use it.
pub(crate) struct Bucket {
    pub(super) store: Arc<dyn Store>,
    pub(super) shard: Shard,
    pub(super) space: Space,
    pub(super) clock: Arc<dyn Clock>,
}

/// A key as it was when it was read, to be swapped against.
pub(crate) struct Cas {
    pub(super) bucket: Arc<Bucket>,
    pub(super) key: Bytes,
    pub(super) seen: Option<(Version, Bytes)>,
}

/// Why an operation was not done, in words for the guest's author.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KvError {
    #[error("a key has 1 to {KEY_MAX} bytes, this one has {0}")]
    Key(usize),
    #[error("a value has at most {VALUE_MAX} bytes, the one of key {key} has {is}")]
    Value { key: String, is: usize },
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes: ask for fewer keys at a time")]
    AnswerTooLarge,
    #[error("{0}")]
    Number(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Done<T> = Result<T, KvError>;

/// A key of the right size.
pub(super) fn key(key: String) -> Done<Bytes> {
    match key.len() {
        1..=KEY_MAX => Ok(key.into()),
        is => Err(KvError::Key(is)),
    }
}

fn value(key: &Bytes, value: &Bytes) -> Done<()> {
    let shown = || super::refusal::shown(&String::from_utf8_lossy(key));
    if value.len() > VALUE_MAX { Err(KvError::Value { key: shown(), is: value.len() }) } else { Ok(()) }
}

impl Bucket {
    pub(super) fn at(&self, key: Bytes) -> At {
        At { space: self.space.clone(), key }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn item(&self, key: Bytes) -> Done<Option<Item>> {
        Ok(self.store.get(&self.shard, &self.at(key), self.now()).await?)
    }

    async fn get(&self, key: Bytes) -> Done<Option<Bytes>> {
        Ok(self.item(key).await?.map(|item| item.value))
    }

    async fn exists(&self, key: Bytes) -> Done<bool> {
        Ok(self.store.exists(&self.shard, &self.at(key), self.now()).await?)
    }

    /// Durable when it returns.
    async fn write(&self, writes: Vec<Write>) -> Done<Commit> {
        let txn = Txn { now: self.now(), checks: Vec::new(), writes };
        Ok(self.store.commit(&self.shard, txn).await?)
    }

    fn put(&self, key: Bytes, value: Bytes) -> Write {
        Write::Put { at: self.at(key), value, expires: None }
    }

    async fn set(&self, key: Bytes, new: Bytes) -> Done<()> {
        value(&key, &new)?;
        self.write(vec![self.put(key, new)]).await.map(drop)
    }

    async fn delete(&self, key: Bytes) -> Done<()> {
        self.write(vec![Write::Delete { at: self.at(key) }]).await.map(drop)
    }

    async fn add(&self, key: Bytes, by: i64) -> Done<i64> {
        let commit = self.write(vec![Write::Add { at: self.at(key), by }]).await;
        let commit = commit.map_err(|error| match error {
            KvError::Store(StoreError::NotANumber { .. }) => {
                KvError::Number("the value is not a whole number in decimal text".into())
            }
            KvError::Store(StoreError::Overflow { .. }) => {
                KvError::Number("the sum is beyond the range of a signed 64-bit number".into())
            }
            other => other,
        })?;
        match commit.wrote.first() {
            Some(Wrote::Number(sum)) => Ok(*sum),
            other => Err(KvError::Number(format!("the store answered an addition with {other:?}"))),
        }
    }

    /// Keys after `after`, in their order, and whether there may be more.
    async fn keys(&self, after: Option<Bytes>, max: usize) -> Done<(Vec<Bytes>, bool)> {
        let scan =
            Scan { space: self.space.clone(), prefix: Bytes::new(), after, max: max.min(PAGE_MAX), values: false };
        let page = self.store.scan(&self.shard, &scan, self.now()).await?;
        let more = page.next.is_some();
        Ok((page.items.into_iter().map(|(key, _)| key).collect(), more))
    }

    /// The last of the first `count` keys; `None` where there are not as many.
    async fn nth(&self, count: u64) -> Done<Option<Bytes>> {
        let mut after = None;
        let mut left = count;
        while left > 0 {
            let (keys, more) = self.keys(after, usize::try_from(left).unwrap_or(PAGE_MAX)).await?;
            left = left.saturating_sub(keys.len() as u64);
            after = keys.into_iter().next_back();
            if after.is_none() || (left > 0 && !more) {
                return Ok(None);
            }
            // Reads of the embedded store never wait: let others have the thread between pages.
            tokio::task::yield_now().await;
        }
        Ok(after)
    }

    async fn get_many(&self, keys: Vec<Bytes>) -> Done<Vec<Option<Bytes>>> {
        let mut found = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for some in keys.chunks(READ_TOGETHER) {
            let items = self.store.get_many(&self.shard, &self.space, some, self.now()).await?;
            let values = items.into_iter().map(|item| item.map(|item| item.value));
            found.extend(values.inspect(|value| bytes += value.as_ref().map_or(0, Bytes::len)));
            if bytes > ANSWER_BYTES_MAX {
                return Err(KvError::AnswerTooLarge);
            }
        }
        Ok(found)
    }

    async fn set_many(&self, pairs: Vec<(Bytes, Bytes)>) -> Done<()> {
        pairs.iter().try_for_each(|(key, new)| value(key, new))?;
        self.write_all(pairs.into_iter().map(|(key, value)| self.put(key, value))).await
    }

    async fn delete_many(&self, keys: Vec<Bytes>) -> Done<()> {
        self.write_all(keys.into_iter().map(|key| Write::Delete { at: self.at(key) })).await
    }

    /// In as few commits as the bounds of a transaction allow. The interface promises no atomicity.
    async fn write_all(&self, writes: impl Iterator<Item = Write> + Send) -> Done<()> {
        let mut together = Vec::new();
        let mut bytes = 0;
        for write in writes {
            let size = size(&write);
            if together.len() == OPS_MAX || bytes + size > TXN_BYTES_MAX {
                self.write(std::mem::take(&mut together)).await?;
                bytes = 0;
            }
            bytes += size;
            together.push(write);
        }
        if together.is_empty() { Ok(()) } else { self.write(together).await.map(drop) }
    }
}

/// What a write counts of a transaction's bytes; see [`Txn::measure`].
fn size(write: &Write) -> usize {
    let at = |at: &At| OP_BYTES + at.space.as_str().len() + at.key.len();
    match write {
        Write::Put { at: place, value, .. } => at(place) + value.len(),
        Write::Delete { at: place } => at(place),
        _ => OP_BYTES,
    }
}

impl Cas {
    async fn read(bucket: Arc<Bucket>, key: Bytes) -> Done<Self> {
        let seen = bucket.item(key.clone()).await?.map(|item| (item.version, item.value));
        Ok(Self { bucket, key, seen })
    }

    /// Writes if the key is as it was. `Err(Ok(..))`: it is not, and this is how it is now.
    async fn swap(self, new: Bytes) -> Result<(), Done<Self>> {
        value(&self.key, &new).map_err(Err)?;
        let Self { bucket, key, seen } = self;
        let check = Check::Version { at: bucket.at(key.clone()), is: seen.map(|(version, _)| version) };
        let txn = Txn::new(bucket.now()).check(check).write(bucket.put(key.clone(), new));
        match bucket.store.commit(&bucket.shard, txn).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { op: Op::Check(_), found: Found::Version(_) }) => {
                Err(Self::read(bucket, key).await)
            }
            Err(error) => Err(Err(error.into())),
        }
    }
}
