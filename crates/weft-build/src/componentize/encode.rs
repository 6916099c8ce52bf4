//! A core module that carries its component type → a component. Imports of WASI preview 1 go through the adapter.

use std::{fs, path::Path};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::BuildError;

/// Encodes `module`. A module with a `_start` is a command, any other a reactor.
pub fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let adapter = if exports_start(module)? {
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    ComponentEncoder::default()
        .validate(true)
        .module(module)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?
        .encode()
}

/// Encodes a file. What is a component already is copied.
pub(crate) fn file(from: &Path, to: &Path) -> Result<(), BuildError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
    }
    let bytes = fs::read(from).map_err(BuildError::io("read", from))?;
    let component = match wasm_kind(&bytes) {
        WasmKind::Component => bytes,
        WasmKind::Module => encode(&bytes).map_err(|source| BuildError::Encode { path: from.to_owned(), source })?,
        WasmKind::Neither => return Err(BuildError::NotWasm { path: from.to_owned() }),
    };
    replace(to, &component)
}

/// Puts `bytes` at `to` at once: a watcher never sees half a component.
pub(super) fn replace(to: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let beside = to.with_extension("wasm.new");
    fs::write(&beside, bytes).map_err(BuildError::io("write", &beside))?;
    fs::rename(&beside, to).map_err(BuildError::io("write", to))
}

/// What the first eight bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WasmKind {
    Component,
    Module,
    Neither,
}

pub(crate) fn wasm_kind(bytes: &[u8]) -> WasmKind {
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => WasmKind::Module,
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => WasmKind::Component,
        _ => WasmKind::Neither,
    }
}

fn exports_start(module: &[u8]) -> anyhow::Result<bool> {
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::ExportSection(exports) = payload? {
            for export in exports {
                if export?.name == "_start" {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_what_a_file_is() {
        assert_eq!(wasm_kind(b"\0asm\x01\0\0\0"), WasmKind::Module);
        assert_eq!(wasm_kind(b"\0asm\x0d\0\x01\0"), WasmKind::Component);
        assert_eq!(wasm_kind(b"#!/bin/sh"), WasmKind::Neither);
    }

    #[test]
    fn what_is_no_module_is_refused_with_its_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let from = dir.path().join("text.wasm");
        fs::write(&from, "text").expect("a file");
        let error = file(&from, &dir.path().join("out.wasm")).expect_err("no module");
        assert_eq!(error.code(), weft_types::code::NOT_WASM);
        assert!(error.to_string().contains("text.wasm"));
    }
}
