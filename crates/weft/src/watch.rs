//! Watching sources: what has changed is rebuilt and swapped in; what does not build leaves the old revision serving.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::Notify, time::timeout};
use weft_node::Node;
use weft_types::Name;

use crate::{
    applications::{self, BareArgs, Found},
    args::Format,
    builds::{self, NO_SOURCES, Sources},
    commands::up,
    failure::{Failure, Gathered},
};

/// Editors write in bursts: this long must nothing change,
const QUIET: Duration = Duration::from_millis(60);
/// but no longer than this is waited for that.
const PATIENCE: u32 = 40;

/// What one watched place means.
struct Place {
    application: usize,
    kind: Kind,
}

enum Kind {
    /// The manifest, or a component that no command builds: this file alone.
    File(PathBuf),
    Sources(Sources),
}

/// Applications with a change that has not been looked at.
#[derive(Default)]
struct Dirty {
    applications: Mutex<BTreeSet<usize>>,
    more: Notify,
}

/// When the last good build of a component began.
type Built = BTreeMap<(Name, Name), SystemTime>;

/// Sources under watch, from before they are first read, so that no change falls between.
pub(crate) struct Watching {
    dirty: Arc<Dirty>,
    watcher: Option<RecommendedWatcher>,
}

impl Watching {
    pub(crate) fn start(found: &[Found]) -> Self {
        let dirty = Arc::new(Dirty::default());
        Self { watcher: watch(found, &dirty), dirty }
    }
}

/// Rebuilds and swaps until it is aborted.
pub(crate) async fn run(watching: Watching, node: Arc<Node>, mut found: Vec<Found>, bare: BareArgs) {
    let Watching { dirty, mut watcher } = watching;
    let mut built = Built::new();
    loop {
        let changed = dirty.wait().await;
        for at in changed {
            let before = &found[at];
            let work = (before.named.clone(), bare.clone(), built.clone());
            let prepared = tokio::task::spawn_blocking(move || rebuild(&work.0, &work.1, work.2)).await;
            match prepared {
                Ok(Ok((next, when))) => {
                    built = when;
                    swap(&node, &mut found, at, next).await;
                }
                Ok(Err(failure)) => tell(&failure, &found[at]),
                Err(error) => tracing::error!(%error, "a rebuild ended early"),
            }
        }
        // The set of places follows the manifest.
        watcher = watch(&found, &dirty).or(watcher);
    }
}

/// Reads the manifest again and builds what is older than its sources.
fn rebuild(named: &Path, bare: &BareArgs, mut built: Built) -> Result<(Found, Built), Failure> {
    let next = applications::one(named, bare)?;
    let mut wrong = Gathered::default();
    for (name, component) in &next.application.components {
        let key = (next.application.name.clone(), name.clone());
        if !builds::is_stale(&next.application, component, built.get(&key).copied()) {
            continue;
        }
        let began = SystemTime::now();
        match builds::build_one(&next, name, component, &mut |line| eprintln!("{line}")) {
            Ok(()) => drop(built.insert(key, began)),
            Err(report) => wrong.add(report),
        }
    }
    wrong.done()?;
    Ok((next, built))
}

/// Replaces one application. A name that has changed is another application: the old one goes with the same swap.
async fn swap(node: &Node, found: &mut [Found], at: usize, next: Found) {
    let began = std::time::Instant::now();
    let next = [next];
    let lowered = tokio::task::block_in_place(|| up::lower(&next, Some(&node.secrets)));
    let deployments = match lowered {
        Ok(deployments) => deployments,
        Err(failure) => return tell(&failure, &found[at]),
    };
    let [next] = next;
    let name = next.application.name.clone();
    if found.iter().enumerate().any(|(other, found)| other != at && found.application.name == name) {
        let failure = Failure::new(
            weft_types::code::MANIFEST_DUPLICATE,
            next.file.display().to_string(),
            format!("another application is named `{name}` already"),
        );
        return tell(&failure, &found[at]);
    }
    let revision = deployments[0].revision;
    if node.runs(&name) == Some(revision) && found[at].application == next.application {
        return;
    }
    let old = found[at].application.name.clone();
    let gone: &[Name] = if old == name { &[] } else { std::slice::from_ref(&old) };
    match node.change(deployments, gone).await {
        Ok(()) => {
            tracing::info!(application = %name, revision = %revision.short(), took_ms = began.elapsed().as_millis() as u64, "swapped");
            found[at] = next;
        }
        Err(error) => tell(&up::refused(&error, std::slice::from_ref(&next)), &found[at]),
    }
}

fn tell(failure: &Failure, serving: &Found) {
    eprint!("{}", failure.render(Format::Text));
    tracing::warn!(application = %serving.application.name, "the change is not served: the revision before goes on");
}

impl Dirty {
    /// Waits for a change, and then until nothing has changed for a moment.
    async fn wait(&self) -> BTreeSet<usize> {
        self.more.notified().await;
        for _ in 0..PATIENCE {
            if timeout(QUIET, self.more.notified()).await.is_err() {
                break;
            }
        }
        std::mem::take(&mut *self.applications.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn mark(&self, application: usize) {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).insert(application);
        self.more.notify_one();
    }
}

/// Watches every place that the applications name. `None`, with a warning, where that cannot be done.
fn watch(found: &[Found], dirty: &Arc<Dirty>) -> Option<RecommendedWatcher> {
    let places: Vec<Place> = found.iter().enumerate().flat_map(|(at, found)| places(at, found)).collect();
    let folders: BTreeMap<PathBuf, RecursiveMode> = places.iter().flat_map(|place| place.kind.folders()).collect();
    let dirty = Arc::clone(dirty);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if !matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
            return;
        }
        for place in &places {
            if event.paths.iter().any(|path| place.kind.holds(path)) {
                dirty.mark(place.application);
            }
        }
    });
    let watched = watcher.and_then(|mut watcher| {
        for (folder, mode) in &folders {
            watcher.watch(folder, *mode)?;
        }
        Ok(watcher)
    });
    watched.inspect_err(|error| tracing::warn!(%error, "changes are not seen: restart `weft up` after them")).ok()
}

fn places(application: usize, found: &Found) -> Vec<Place> {
    let place = |kind| Place { application, kind };
    let mut places = Vec::new();
    if !found.bare {
        places.push(place(Kind::File(absolute(&found.file))));
    }
    for policies in found.application.policies.keys() {
        places.push(place(Kind::File(absolute(&found.application.locate(policies)))));
    }
    for component in found.application.components.values() {
        let kind = match builds::sources(&found.application, component) {
            Some(mut sources) => {
                sources.dir = absolute(&sources.dir);
                Kind::Sources(sources)
            }
            None => Kind::File(absolute(&found.application.locate(&component.source))),
        };
        places.push(place(kind));
    }
    places
}

/// As the watcher will name it, of a file that may be away just now.
fn absolute(path: &Path) -> PathBuf {
    let known = path.canonicalize().ok();
    let by_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    known.or_else(by_folder).unwrap_or_else(|| path.to_owned())
}

impl Kind {
    /// Folders and not files, since editors replace files. Build output is left out: it is large, and changes.
    fn folders(&self) -> Vec<(PathBuf, RecursiveMode)> {
        match self {
            Self::File(file) => {
                file.parent().map(|folder| (folder.to_owned(), RecursiveMode::NonRecursive)).into_iter().collect()
            }
            Self::Sources(sources) => {
                let mut folders = vec![(sources.dir.clone(), RecursiveMode::NonRecursive)];
                for entry in std::fs::read_dir(&sources.dir).into_iter().flatten().flatten() {
                    let source = !NO_SOURCES.iter().any(|skip| entry.file_name() == *skip);
                    if source && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        folders.push((entry.path(), RecursiveMode::Recursive));
                    }
                }
                folders
            }
        }
    }

    fn holds(&self, path: &Path) -> bool {
        match self {
            Self::File(file) => path == file,
            Self::Sources(Sources { dir, globs }) => {
                let Ok(relative) = path.strip_prefix(dir) else { return false };
                let output = relative.iter().any(|name| NO_SOURCES.iter().any(|skip| name == *skip));
                !output && globs.matches(relative)
            }
        }
    }
}
