//! A route as the manifest lowers it, before it is compiled into a table.

use std::{path::PathBuf, sync::Arc};

use weft_types::{Context, Guard, Name};

use crate::{Arms, Policy, Upstream, feature::Features};

/// Where in which file something was written, so that a conflict can show both lines. Lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One route of one application.
#[derive(Debug, Clone)]
pub struct RouteSpec {
    pub application: Name,
    /// Lower-case, without port. `None`: any host. `*.example.com` matches one label.
    pub host: Option<Arc<str>>,
    /// As written: `/orders/:id`, `/assets/*`. Validated when compiled.
    pub path: Arc<str>,
    /// Empty: any method. GET implies HEAD.
    pub methods: Vec<http::Method>,
    pub headers: Vec<HeaderMatch>,
    pub action: Action,
    pub policy: Policy,
    /// `None`: the route only routes.
    pub features: Option<Arc<Features>>,
    /// What asks callers who they are. A route whose policy says that they are asked, and that has none, lets nobody in.
    pub guard: Option<Arc<dyn Guard>>,
    /// `(field, value, origin)`: see [`crate::Resolution`].
    pub origins: Vec<(&'static str, String, String)>,
    pub place: Place,
}

/// A header that must be there, and if `value` is given, must equal it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    pub name: http::HeaderName,
    pub value: Option<Arc<str>>,
}

/// What a matched request meets.
#[derive(Debug, Clone)]
pub enum Action {
    /// A component's HTTP handler. The context is built once, for callers without identity.
    Component(Arc<Context>),
    Files(Files),
    /// A service that is not WebAssembly.
    Upstream(Upstream),
    /// Several of these, by weight.
    Split(Arc<Arms>),
    /// `to` may hold `:param`s of the path.
    Redirect {
        to: Arc<str>,
        status: u16,
    },
}

/// A folder served as static files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Absolute; canonicalised when the snapshot is built.
    pub root: PathBuf,
    /// Served for a folder. Default `index.html`.
    pub index: Arc<str>,
    /// Served with 200 where nothing matches (single-page applications).
    pub fallback: Option<Arc<str>>,
    pub cache_control: Option<Arc<str>>,
}
