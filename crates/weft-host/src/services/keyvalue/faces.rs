//! `wasi:keyvalue@0.2.0-draft` and `-draft2`: the same functions, but for the cursor, the number and compare-and-swap.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use weft_store::bound::PAGE_MAX;

use super::{Bucket, Cas, Done, KvError, key};
use crate::{guest::Guest, services::waits};

pub(super) const DRAFT: &str = "0.2.0-draft";
pub(super) const DRAFT2: &str = "0.2.0-draft2";

/// An opened bucket.
pub(super) struct Handle {
    bucket: Arc<Bucket>,
    /// A cursor that is a number, and the key where it stood: the next page then begins there, whatever changed.
    stood: Mutex<Option<(u64, Bytes)>>,
}

type Opened = Arc<Handle>;

#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the interface has it; a store without an engine refuses the deploy")]
pub(super) enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        if let KvError::Store(error) = &error {
            super::super::refusal::store_failed(error);
        }
        Self::Other(error.to_string())
    }
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    Store(Error),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

/// One page of keys.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct KeyResponse<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

/// Where a page begins, as one of the drafts says it.
pub(super) trait Cursor: ComponentType + Lift + Lower + Send + Sync + 'static {
    fn page(opened: Opened, from: Option<Self>) -> impl Future<Output = Done<KeyResponse<Self>>> + Send;
}

/// The last key of the page before.
impl Cursor for String {
    async fn page(opened: Opened, from: Option<Self>) -> Done<KeyResponse<Self>> {
        let (keys, more) = opened.bucket.keys(from.map(Bytes::from), PAGE_MAX).await?;
        let keys: Vec<_> = keys.iter().map(text).collect();
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyResponse { keys, cursor })
    }
}

/// How many keys came before. The handle that gave it out knows the key; another one counts.
impl Cursor for u64 {
    async fn page(opened: Opened, from: Option<Self>) -> Done<KeyResponse<Self>> {
        let from = from.unwrap_or(0);
        let stood = opened.stood.lock().take().filter(|(cursor, _)| *cursor == from);
        let after = match stood {
            Some((_, key)) => Some(key),
            None if from == 0 => None,
            None => match opened.bucket.nth(from).await? {
                Some(key) => Some(key),
                None => return Ok(KeyResponse { keys: Vec::new(), cursor: None }),
            },
        };
        let (keys, more) = opened.bucket.keys(after, PAGE_MAX).await?;
        let next = from.saturating_add(keys.len() as u64);
        if let (true, Some(last)) = (more, keys.last()) {
            *opened.stood.lock() = Some((next, last.clone()));
        }
        Ok(KeyResponse { keys: keys.iter().map(text).collect(), cursor: more.then_some(next) })
    }
}

fn text(key: &Bytes) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// What `increment` adds and answers, as one of the drafts says it.
pub(super) trait Number: ComponentType + Lift + Lower + Send + 'static {
    fn add(self) -> Done<i64>;
    fn sum(sum: i64) -> Done<Self>;
}

impl Number for i64 {
    fn add(self) -> Done<i64> {
        Ok(self)
    }
    fn sum(sum: i64) -> Done<Self> {
        Ok(sum)
    }
}

impl Number for u64 {
    fn add(self) -> Done<i64> {
        i64::try_from(self).map_err(|_| KvError::Number(format!("numbers are signed: {self} is too large to add")))
    }
    fn sum(sum: i64) -> Done<Self> {
        let negative = |_| KvError::Number(format!("the number is now {sum}: this interface knows no negative ones"));
        Self::try_from(sum).map_err(negative)
    }
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    store::<u64>(linker, DRAFT)?;
    atomics::<u64>(linker, DRAFT)?;
    batch(linker, DRAFT)?;
    get_many_found(&mut linker.instance(&format!("wasi:keyvalue/batch@{DRAFT}"))?)?;
    store::<String>(linker, DRAFT2)?;
    atomics::<i64>(linker, DRAFT2)?;
    cas(linker, DRAFT2)?;
    batch(linker, DRAFT2)?;
    get_many_each(&mut linker.instance(&format!("wasi:keyvalue/batch@{DRAFT2}"))?)
}

type Answer<T> = Result<T, Error>;

fn opened(guest: &mut Guest, bucket: &Resource<Opened>) -> wasmtime::Result<Opened> {
    Ok(Arc::clone(guest.table().get(bucket)?))
}

fn store<C: Cursor>(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut face = linker.instance(&format!("wasi:keyvalue/store@{version}"))?;
    face.resource("bucket", ResourceType::host::<Opened>(), |mut store, handle| {
        store.data_mut().table().delete(Resource::<Opened>::new_own(handle)).map(drop).map_err(Into::into)
    })?;
    face.func_wrap("open", |mut store, (name,): (String,)| {
        let guest = store.data_mut();
        let Ok(bucket) = guest.lent().store(&name).cloned() else { return Ok((Err(Error::AccessDenied),)) };
        let handle = Arc::new(Handle { bucket, stood: Mutex::default() });
        Ok((Answer::Ok(guest.table().push(handle)?),))
    })?;
    waits(&mut face, "[method]bucket.get", |guest, (bucket, at): (Resource<Opened>, String)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(opened.bucket.get(key(at)?).await?) })
    })?;
    waits(&mut face, "[method]bucket.set", |guest, (bucket, at, value): (Resource<Opened>, String, Bytes)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(opened.bucket.set(key(at)?, value).await?) })
    })?;
    waits(&mut face, "[method]bucket.delete", |guest, (bucket, at): (Resource<Opened>, String)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(opened.bucket.delete(key(at)?).await?) })
    })?;
    waits(&mut face, "[method]bucket.exists", |guest, (bucket, at): (Resource<Opened>, String)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(opened.bucket.exists(key(at)?).await?) })
    })?;
    waits(&mut face, "[method]bucket.list-keys", |guest, (bucket, from): (Resource<Opened>, Option<C>)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(C::page(opened, from).await?) })
    })
}

fn atomics<N: Number>(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut face = linker.instance(&format!("wasi:keyvalue/atomics@{version}"))?;
    waits(&mut face, "increment", |guest, (bucket, at, by): (Resource<Opened>, String, N)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move { Answer::Ok(N::sum(opened.bucket.add(key(at)?, by.add()?).await?)?) })
    })
}

fn cas(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut face = linker.instance(&format!("wasi:keyvalue/atomics@{version}"))?;
    face.resource("cas", ResourceType::host::<Cas>(), |mut store, handle| {
        store.data_mut().table().delete(Resource::<Cas>::new_own(handle)).map(drop).map_err(Into::into)
    })?;
    face.func_wrap_async("[static]cas.new", |mut store, (bucket, at): (Resource<Opened>, String)| {
        let opened = opened(store.data_mut(), &bucket);
        Box::new(async move {
            let bucket = Arc::clone(&opened?.bucket);
            let read = async { Cas::read(bucket, key(at)?).await };
            Ok((match read.await {
                Ok(cas) => Answer::Ok(store.data_mut().table().push(cas)?),
                Err(error) => Err(error.into()),
            },))
        })
    })?;
    face.func_wrap("[method]cas.current", |mut store, (cas,): (Resource<Cas>,)| {
        let cas = store.data_mut().table().get(&cas)?;
        Ok((Answer::Ok(cas.seen.as_ref().map(|(_, value)| value.clone())),))
    })?;
    face.func_wrap_async("swap", |mut store, (cas, value): (Resource<Cas>, Bytes)| {
        let taken = store.data_mut().table().delete(cas);
        Box::new(async move {
            Ok((match taken?.swap(value).await {
                Ok(()) => Ok(()),
                Err(Ok(newer)) => Err(CasError::Failed(store.data_mut().table().push(newer)?)),
                Err(Err(error)) => Err(CasError::Store(error.into())),
            },))
        })
    })
}

fn batch(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut face = linker.instance(&format!("wasi:keyvalue/batch@{version}"))?;
    waits(&mut face, "set-many", |guest, (bucket, pairs): (Resource<Opened>, Vec<(String, Bytes)>)| {
        let opened = opened(guest, &bucket)?;
        let pairs = pairs.into_iter().map(|(at, value)| Ok((key(at)?, value))).collect::<Done<Vec<_>>>();
        Ok(async move { Answer::Ok(opened.bucket.set_many(pairs?).await?) })
    })?;
    waits(&mut face, "delete-many", |guest, (bucket, keys): (Resource<Opened>, Vec<String>)| {
        let opened = opened(guest, &bucket)?;
        let keys = keys.into_iter().map(key).collect::<Done<Vec<_>>>();
        Ok(async move { Answer::Ok(opened.bucket.delete_many(keys?).await?) })
    })
}

async fn many(opened: Opened, keys: &[String]) -> Answer<Vec<Option<Bytes>>> {
    let keys = keys.iter().cloned().map(key).collect::<Done<Vec<_>>>()?;
    Ok(opened.bucket.get_many(keys).await?)
}

/// `get-many` as the first draft has it, and the second had it first: none where there is no such key.
pub(super) fn get_many_found(face: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    waits(face, "get-many", |guest, (bucket, keys): (Resource<Opened>, Vec<String>)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move {
            let values = many(opened, &keys).await?;
            let found = keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value)));
            Answer::Ok(found.collect::<Vec<_>>())
        })
    })
}

/// `get-many` as the second draft has it now: each key, and its value if there is one.
pub(super) fn get_many_each(face: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    waits(face, "get-many", |guest, (bucket, keys): (Resource<Opened>, Vec<String>)| {
        let opened = opened(guest, &bucket)?;
        Ok(async move {
            let values = many(opened, &keys).await?;
            Answer::Ok(keys.into_iter().zip(values).collect::<Vec<_>>())
        })
    })
}
