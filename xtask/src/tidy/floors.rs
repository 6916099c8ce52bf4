//! Who may depend on whom, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::sh::{Done, cargo, output};

/// For each crate, which of ours it may name. A crate that is not here is an offence: give it a sentence first.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("weft-types", &[]),
    ("weft-api", &["weft-types"]),
    ("weft-traffic", &["weft-types"]),
    ("weft-telemetry", &["weft-types"]),
    ("weft-fault", &["weft-types", "weft-traffic"]),
    ("weft-store", &["weft-types"]),
    ("weft-store-local", &["weft-types", "weft-store"]),
    ("weft-dial", &[]),
    ("weft-host", &["weft-types", "weft-store", "weft-dial"]),
    ("weft-manifest", &["weft-types", "weft-traffic"]),
    ("weft-dispatch", &["weft-types", "weft-traffic", "weft-telemetry", "weft-fault", "weft-store", "weft-host"]),
    ("weft-upstream", &["weft-types", "weft-traffic", "weft-fault", "weft-dial"]),
    ("weft-identity", &["weft-types", "weft-dial"]),
    ("weft-load", &["weft-dial", "weft-traffic"]),
    ("weft-gateway", &["weft-types", "weft-traffic", "weft-telemetry", "weft-fault"]),
    ("weft-control", &["weft-types", "weft-api", "weft-manifest", "weft-store"]),
    ("weft-build", &["weft-types"]),
    ("weft-secrets", &["weft-types"]),
    (
        "weft-node",
        &[
            "weft-types",
            "weft-api",
            "weft-traffic",
            "weft-telemetry",
            "weft-fault",
            "weft-store",
            "weft-store-local",
            "weft-host",
            "weft-manifest",
            "weft-dispatch",
            "weft-upstream",
            "weft-identity",
            "weft-gateway",
            "weft-control",
            "weft-build",
            "weft-secrets",
        ],
    ),
    (
        "weft",
        // Commands: what they assemble, weft-node assembles for them. Neither the engine nor a driver is named here.
        &[
            "weft-types",
            "weft-api",
            "weft-manifest",
            "weft-build",
            "weft-traffic",
            "weft-telemetry",
            "weft-gateway",
            "weft-control",
            "weft-node",
            "weft-secrets",
            "weft-load",
        ],
    ),
    ("weft-bench", &["weft-manifest", "weft-traffic", "weft-types"]),
    ("xtask", &["weft-types", "weft-build"]),
];

/// Outside crates (by the start of their names) and the only ones of ours that may name them.
const ONLY: &[(&str, &[&str])] = &[
    ("wasmtime", &["weft-host"]),
    // Telemetry exports OTLP, the host sends what components ask, the command line asks the admin API: clients all.
    (
        "hyper",
        &[
            "weft-gateway",
            "weft-dial",
            "weft-upstream",
            "weft-identity",
            "weft-host",
            "weft-telemetry",
            "weft-node",
            "weft",
            "weft-load",
            "weft-bench",
        ],
    ),
    (
        "rustls",
        &["weft-gateway", "weft-dial", "weft-upstream", "weft-host", "weft-telemetry", "weft-node", "weft-load"],
    ),
    ("tokio-rustls", &["weft-gateway", "weft-dial", "weft-telemetry"]),
    ("jsonwebtoken", &["weft-identity"]),
    ("cedar-policy", &["weft-identity"]),
    ("rusqlite", &["weft-store-local"]),
    ("fjall", &[]),
    ("redb", &[]),
    ("tokio-postgres", &[]),
    ("async-nats", &[]),
    ("prometheus-client", &["weft-telemetry"]),
    ("opentelemetry", &["weft-telemetry"]),
    ("tracing-subscriber", &["weft-telemetry"]),
    ("clap", &["weft"]),
    ("notify", &["weft-build", "weft-node", "weft"]),
];

/// Cores are pure: none of these is anywhere below them.
const CORES: &[&str] = &["weft-types", "weft-traffic"];
const NOT_BELOW_CORES: &[&str] =
    &["tokio", "hyper", "rusqlite", "mio", "rand", "getrandom", "wasmtime", "tracing-core"];

/// Crates that would bring a second TLS, or C where Rust does.
const NOWHERE: &[&str] = &["aws-lc-sys", "aws-lc-rs", "openssl-sys", "native-tls"];

/// Our crates and what they name, and the whole graph below them.
pub(super) struct Graph {
    /// Crate of ours → names of its normal and build dependencies.
    ours: BTreeMap<String, BTreeSet<String>>,
    /// Crate of ours → names of its development dependencies.
    ours_dev: BTreeMap<String, BTreeSet<String>>,
    /// Package id → ids of its normal dependencies.
    edges: BTreeMap<String, BTreeSet<String>>,
    names: BTreeMap<String, String>,
}

impl Graph {
    pub(super) fn read() -> Done<Self> {
        let json = output(cargo().args(["metadata", "--format-version", "1", "--all-features"]))?;
        let all: Value = serde_json::from_str(&json).map_err(|e| format!("cargo metadata printed no JSON: {e}"))?;
        Ok(Self::of(&all))
    }

    fn of(all: &Value) -> Self {
        let members: BTreeSet<&str> = list(all, "workspace_members").filter_map(Value::as_str).collect();
        let mut graph =
            Self { ours: BTreeMap::new(), ours_dev: BTreeMap::new(), edges: BTreeMap::new(), names: BTreeMap::new() };
        for package in list(all, "packages") {
            let (id, name) = (text(package, "id"), text(package, "name"));
            graph.names.insert(id.to_owned(), name.to_owned());
            if members.contains(id) {
                let (dev, normal): (Vec<_>, Vec<_>) = list(package, "dependencies").partition(|d| d["kind"] == "dev");
                graph.ours.insert(name.to_owned(), normal.iter().map(|d| text(d, "name").to_owned()).collect());
                graph.ours_dev.insert(name.to_owned(), dev.iter().map(|d| text(d, "name").to_owned()).collect());
            }
        }
        for node in list(&all["resolve"], "nodes") {
            let normal = list(node, "deps").filter(|d| list(d, "dep_kinds").any(|k| k["kind"].is_null()));
            let below = normal.map(|d| text(d, "pkg").to_owned()).collect();
            graph.edges.insert(text(node, "id").to_owned(), below);
        }
        graph
    }

    /// Names of all that is linked into the crate.
    fn below(&self, name: &str) -> BTreeSet<&str> {
        let mut todo: Vec<&String> = self.names.iter().filter(|(_, n)| *n == name).map(|(id, _)| id).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.edges.get(id).into_iter().flatten());
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}

pub(super) fn check(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (name, deps) in &graph.ours {
        found.extend(upward(name, deps));
        found.extend(foreign(name, deps));
        // Tests may use more of the outside, but an upward call stays one.
        found.extend(
            graph.ours_dev[name].iter().filter(|d| *d == "weft-node" && name != "weft").map(|d| {
                format!("{name} names {d} for its tests: only the binary's tests stand above the whole process")
            }),
        );
    }
    for core in CORES {
        let below = graph.below(core);
        found.extend(
            NOT_BELOW_CORES.iter().filter(|bad| below.contains(*bad)).map(|bad| {
                format!("{bad} is linked into {core}: cores never await, do IO, read time or draw randomness")
            }),
        );
    }
    let everywhere: BTreeSet<&str> = graph.names.values().map(String::as_str).collect();
    found.extend(
        NOWHERE.iter().filter(|bad| everywhere.contains(*bad)).map(|bad| format!("{bad}: ring is the one TLS")),
    );
    found
}

fn upward(name: &str, deps: &BTreeSet<String>) -> Vec<String> {
    let Some((_, may)) = MAY_IMPORT.iter().find(|(of, _)| *of == name) else {
        return vec![format!("{name} has no line in xtask/src/tidy/floors.rs: say which of ours it may import")];
    };
    let ours = deps.iter().filter(|d| MAY_IMPORT.iter().any(|(of, _)| of == d));
    ours.filter(|d| !may.contains(&d.as_str())).map(|d| format!("{name} may not import {d}")).collect()
}

fn foreign(name: &str, deps: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (client, may) in ONLY {
        let named =
            deps.iter().any(|d| d == client || d.strip_prefix(client).is_some_and(|rest| rest.starts_with('-')));
        if named && !may.contains(&name) {
            found.push(format!("{name} may not name {client}: only {} may", may.join(", ")));
        }
    }
    found
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(name: &str, deps: &[&str]) -> Graph {
        let mut packages = vec![json!({"id": name, "name": name,
            "dependencies": deps.iter().map(|d| json!({"name": d, "kind": null})).collect::<Vec<_>>()})];
        packages.extend(deps.iter().map(|d| json!({"id": d, "name": d, "dependencies": []})));
        let edges: Vec<_> = deps.iter().map(|d| json!({"pkg": d, "dep_kinds": [{"kind": null}]})).collect();
        Graph::of(&json!({"workspace_members": [name], "packages": packages,
            "resolve": {"nodes": [{"id": name, "deps": edges}]}}))
    }

    #[test]
    fn a_clean_crate_passes() {
        assert_eq!(
            check(&workspace("weft-store-local", &["weft-types", "weft-store", "rusqlite"])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_upward_import_is_found() {
        assert_eq!(check(&workspace("weft-host", &["weft-dispatch"])), ["weft-host may not import weft-dispatch"]);
    }

    #[test]
    fn a_client_in_the_wrong_crate_is_found() {
        let found = check(&workspace("weft-gateway", &["wasmtime-wasi"]));
        assert_eq!(found, ["weft-gateway may not name wasmtime: only weft-host may"]);
    }

    #[test]
    fn a_core_that_awaits_is_found() {
        let found = check(&workspace("weft-traffic", &["tokio"]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("tokio is linked into weft-traffic"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_sentence_is_found() {
        let found = check(&workspace("weft-extra", &[]));
        assert!(found[0].starts_with("weft-extra has no line"), "{found:?}");
    }
}
