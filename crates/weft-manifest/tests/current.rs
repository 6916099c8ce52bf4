//! What is generated and committed is current. `UPDATE=1` writes it again.

use std::{fs, path::PathBuf};

use weft_manifest::{application_schema, experiment_schema, node_schema, reference};

fn hold(path: &str, wanted: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, wanted).expect("the file can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "docs/{path} is not current: run `UPDATE=1 cargo test -p weft-manifest`");
}

fn pretty(schema: &serde_json::Value) -> String {
    serde_json::to_string_pretty(schema).expect("serialises") + "\n"
}

#[test]
fn the_schema_of_weft_toml_is_current() {
    hold("schema/weft.schema.json", &pretty(application_schema()));
}

#[test]
fn the_schema_of_node_toml_is_current() {
    hold("schema/node.schema.json", &pretty(node_schema()));
}

#[test]
fn the_schema_of_an_experiment_is_current() {
    hold("schema/experiment.schema.json", &pretty(experiment_schema()));
}

#[test]
fn the_reference_is_current() {
    hold("manifest.md", &reference());
}
