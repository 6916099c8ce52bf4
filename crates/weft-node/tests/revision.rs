//! One application is one revision, whether it is run from its folder or applied to a node.

use std::{collections::BTreeMap, fs, path::Path};

use weft_api::Apply;
use weft_control::{Control, files_in};
use weft_manifest::Application;
use weft_node::Telemetry;

const MANIFEST: &str = "manifest = 1\nname = \"shop\"\n[component.api]\nsource = \"api.wasm\"\n\
    files = [{ from = \"assets\", to = \"/assets\" }, { from = \"scratch\", to = \"/a/b\", write = true }, \
    { from = \"scratch\", to = \"/a-b\", write = true }]\n\
    [[route]]\npath = \"/static/*\"\nfiles = { from = \"public\" }\n";

fn shop(folder: &Path) -> Application {
    for (file, text) in [
        ("weft.toml", MANIFEST),
        ("api.wasm", "\0asm"),
        ("assets/a.txt", "a"),
        ("public/index.html", "<p>"),
        ("public/css/main.css", "p {}"),
        ("scratch/left.txt", "no part of a revision"),
    ] {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, text).expect("written");
    }
    weft_manifest::load(&folder.join("weft.toml")).expect("good")
}

/// As `weft up` names it.
fn from_folder(application: &Application) -> weft_types::Digest {
    let sources = weft_node::sources(application).expect("read");
    weft_node::revision(application, &sources).expect("read")
}

/// As `weft apply` sends it.
fn sent(control: &Control, application: &Application) -> Apply {
    let keep = |path: &Path| control.artefacts().keep(&fs::read(path).expect("read")).expect("kept");
    let source = |component: &weft_manifest::Component| keep(&application.locate(&component.source));
    let sources = application.components.iter().map(|(name, component)| (name.clone(), source(component))).collect();
    let folder = |folder: &str| {
        let files = files_in(&application.locate(folder)).expect("read");
        let files = files.into_iter().map(|(name, path)| (name, keep(&path))).collect::<BTreeMap<_, _>>();
        (folder.to_owned(), files)
    };
    let files = application.folders().into_iter().map(folder).collect();
    Apply { manifest: serde_json::to_value(application).expect("JSON"), sources, files, if_revision: None }
}

#[tokio::test]
async fn a_folder_and_what_is_applied_from_it_are_one_revision() {
    let (folder, data) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let store = std::sync::Arc::new(weft_store::MemoryStore::default());
    let control = Control::open(store, data.path(), Telemetry::quiet().clock).expect("opens");
    let application = shop(folder.path());
    let candidate = control.propose(sent(&control, &application)).await.expect("good");
    assert_eq!(from_folder(&application), candidate.record.revision);

    let before = from_folder(&application);
    fs::write(folder.path().join("scratch/left.txt"), "changed").expect("written");
    assert_eq!(from_folder(&application), before);
    fs::write(folder.path().join("public/css/main.css"), "p { color: red }").expect("written");
    assert_ne!(from_folder(&application), before, "what is served has changed");
    let candidate = control.propose(sent(&control, &application)).await.expect("good");
    assert_eq!(from_folder(&application), candidate.record.revision);

    // Two places of one component that differ in a separator alone are two folders, and both are ours.
    let laid_out = control.lay_out(&candidate.record).await.expect("laid out");
    let files = &laid_out.components["api"].grants.files;
    let own = data.path().join("folders/shop/api").canonicalize().expect("made");
    assert!(files[1].from != files[2].from, "{files:?}");
    assert!(files[1..].iter().all(|file| Path::new(&file.from).parent() == Some(&own)), "{files:?}");
}

#[tokio::test]
async fn a_place_that_leads_out_is_refused_whoever_sends_it() {
    let (folder, data) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let store = std::sync::Arc::new(weft_store::MemoryStore::default());
    let control = Control::open(store, data.path(), Telemetry::quiet().clock).expect("opens");
    for place in ["/../../x", "..", "/a/../..", "data"] {
        let mut application = shop(folder.path());
        let component = application.components.values_mut().next().expect("one");
        component.grants.files[1].to = place.to_owned();
        let error = control.propose(sent(&control, &application)).await.expect_err(place);
        assert!(error.to_string().contains(place), "{error}");
    }
}
