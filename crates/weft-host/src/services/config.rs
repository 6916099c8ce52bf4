//! `wasi:config`: what the manifest's `config` says, and the secrets that it grants.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, Lower},
};

use crate::guest::Guest;

/// The release candidate, and the drafts that guests in use were built with: they differ in names alone.
const NAMES: &[&str] = &[
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/runtime@0.2.0-draft",
];

/// Everything is at hand, so no lookup fails.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the interface has it")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for name in NAMES {
        let mut instance = linker.instance(name)?;
        instance.func_wrap("get", get)?;
        instance.func_wrap("get-all", get_all)?;
    }
    Ok(())
}

type Got<T> = wasmtime::Result<(Result<T, Error>,)>;

fn get(store: StoreContextMut<'_, Guest>, (key,): (String,)) -> Got<Option<String>> {
    Ok((Ok(store.data().lent().config(&key).map(str::to_owned)),))
}

/// Without the secrets: whoever asks for everything does so to print it.
fn get_all(store: StoreContextMut<'_, Guest>, (): ()) -> Got<Vec<(String, String)>> {
    let all = store.data().lent().grants.config.iter();
    Ok((Ok(all.map(|(key, value)| (key.clone(), value.clone())).collect()),))
}
