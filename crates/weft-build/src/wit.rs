//! The interfaces that components are built against, and the world made of them for one component.

use std::{fmt::Write as _, fs, path::Path};

use crate::{BuildError, Kind, Lends};

/// A WIT package: the file's name and its text.
type Package = (&'static str, &'static str);

macro_rules! packages {
    ($($folder:literal / $file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../../wit/", $folder, "/", $file)))),*]
    };
}

/// Every package that a world below may name. Not all are used by each; what is not used leaves no trace.
const PACKAGES: &[Package] = packages![
    "wasi-0.2.12" / "io.wit",
    "wasi-0.2.12" / "clocks.wit",
    "wasi-0.2.12" / "random.wit",
    "wasi-0.2.12" / "filesystem.wit",
    "wasi-0.2.12" / "sockets.wit",
    "wasi-0.2.12" / "cli.wit",
    "wasi-0.2.12" / "http.wit",
    "wasi-drafts" / "keyvalue-0.2.0-draft2.wit",
    "wasi-drafts" / "config-0.2.0-rc.1.wit",
    "wasi-drafts" / "logging-0.1.0-draft.wit",
    "weft-http" / "handler.wit",
    "weft-store" / "unit.wit",
];

/// The world's name: also the name of what is generated for it.
pub(crate) const WORLD: &str = "app";

/// Writes the world for a component of this kind into `dir`, with all that it needs.
pub(crate) fn write(dir: &Path, kind: Kind, lends: &[Lends]) -> Result<(), BuildError> {
    let deps = dir.join("deps");
    fs::create_dir_all(&deps).map_err(BuildError::io("make", &deps))?;
    for (name, text) in PACKAGES {
        put(&deps.join(name), text)?;
    }
    put(&dir.join("world.wit"), &world(kind, lends))
}

fn world(kind: Kind, lends: &[Lends]) -> String {
    let mut text = format!("package weft:app;\n\nworld {WORLD} {{\n");
    let (imports, export): (&[&str], &str) = match kind {
        // What the kit's `console` and `crypto` need.
        Kind::Js => (
            &["wasi:cli/stdout@0.2.12", "wasi:cli/stderr@0.2.12", "wasi:random/random@0.2.12"],
            "weft:http/handler@0.1.0",
        ),
        Kind::Python | Kind::Go | Kind::C | Kind::Module => (&[], "wasi:http/incoming-handler@0.2.12"),
    };
    let lent = lends.iter().flat_map(|one| one.imports());
    for import in imports.iter().chain(lent) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    import {import};");
    }
    let _ = writeln!(text, "    export {export};\n}}");
    text
}

fn put(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(BuildError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_resolves() {
        for kind in [Kind::Js, Kind::Python, Kind::Go, Kind::C] {
            let dir = tempfile::tempdir().expect("a folder");
            write(dir.path(), kind, &Lends::ALL).expect("written");
            let mut resolve = wit_parser::Resolve::default();
            let (package, _) = resolve.push_dir(dir.path()).expect("the packages fit together");
            resolve.select_world(&[package], Some(WORLD)).expect("the world");
        }
    }

    #[test]
    fn a_world_names_only_what_was_asked_for() {
        let plain = world(Kind::C, &[]);
        assert!(!plain.contains("keyvalue"), "{plain}");
        assert!(world(Kind::C, &[Lends::KeyValue]).contains("import wasi:keyvalue/store@0.2.0-draft2;"));
    }
}
