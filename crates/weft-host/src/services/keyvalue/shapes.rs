//! One function of the second draft has two shapes in use under one version; a component says which it was built for.

use wasmtime::{
    Engine,
    component::{Component, Linker, Type, types::ComponentItem},
};

use super::faces::{DRAFT2, get_many_found};
use crate::guest::Guest;

/// A linker of its own for a component that needs the older shape; `None`: the common one will do.
pub(crate) fn link_for(
    component: &Component,
    engine: &Engine,
    common: &Linker<Guest>,
) -> wasmtime::Result<Option<Linker<Guest>>> {
    let batch = format!("wasi:keyvalue/batch@{DRAFT2}");
    if !wants_older(component, engine, &batch) {
        return Ok(None);
    }
    let mut linker = common.clone();
    linker.allow_shadowing(true);
    get_many_found(&mut linker.instance(&batch)?)?;
    Ok(Some(linker))
}

/// The older answers `list<option<tuple<..>>>`, the newer `list<tuple<.., option<..>>>`.
fn wants_older(component: &Component, engine: &Engine, batch: &str) -> bool {
    let ty = component.component_type();
    let Some(import) = ty.get_import(engine, batch) else { return false };
    let ComponentItem::ComponentInstance(instance) = import.ty else { return false };
    let Some(get_many) = instance.get_export(engine, "get-many") else { return false };
    let ComponentItem::ComponentFunc(get_many) = get_many.ty else { return false };
    let Some(Type::Result(result)) = get_many.results().next() else { return false };
    matches!(result.ok(), Some(Type::List(list)) if matches!(list.ty(), Type::Option(_)))
}
