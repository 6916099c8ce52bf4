//! From bytes to something that can be instantiated, with a reason for every refusal.

use std::{io, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::{Component as Compiled, InstancePre};
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};
use weft_types::{Code, Digest, Name, code};

use crate::{
    engine::{Shared, Side},
    grants::{Grants, Isolation, Limits},
    guest::Guest,
    http_values,
    services::{self, LendError},
};

/// One component of one revision, as it is to be run.
#[derive(Debug, Clone)]
pub struct ComponentSpec {
    pub application: Name,
    pub component: Name,
    pub revision: Digest,
    pub wasm: Source,
    pub isolation: Isolation,
    pub limits: Limits,
    pub grants: Arc<Grants>,
}

impl ComponentSpec {
    pub fn digest_of(wasm: &[u8]) -> Digest {
        Digest(Sha256::digest(wasm).into())
    }
}

/// A component's bytes, or where they lie: thousands of idle components must not be held in memory.
#[derive(Debug, Clone)]
pub enum Source {
    Bytes {
        bytes: Arc<[u8]>,
        digest: Digest,
    },
    /// Read only when no compiled code is cached. A file that no longer has this digest is refused.
    File {
        path: Arc<Path>,
        digest: Digest,
    },
}

impl Source {
    pub fn digest(&self) -> Digest {
        match self {
            Self::Bytes { digest, .. } | Self::File { digest, .. } => *digest,
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, LoadError> {
        match self {
            Self::Bytes { bytes, .. } => Ok(Arc::clone(bytes)),
            Self::File { path, digest } => {
                let bytes = std::fs::read(path).map_err(LoadError::Unreadable)?;
                let same = ComponentSpec::digest_of(&bytes) == *digest;
                let changed = || LoadError::Unreadable(io::Error::other("the file has changed since it was deployed"));
                if same { Ok(bytes.into()) } else { Err(changed()) }
            }
        }
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes { digest: ComponentSpec::digest_of(&bytes), bytes: bytes.into() }
    }
}

/// How a component answers HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// `wasi:http/incoming-handler@0.2`
    Http2,
    /// `wasi:http/handler@0.3`
    Http3,
    /// `weft:http/handler@0.1`
    Values,
}

/// Why a component cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("it is not WebAssembly: a component begins with the bytes `\\0asm`")]
    NotWasm,
    #[error("it is a core module, not a component: wrap it with `weft componentize`, or build for wasm32-wasip2")]
    CoreModule,
    #[error("it is not a component that this version can run: {0}")]
    Unsupported(String),
    #[error("it imports `{import}`, which nothing provides")]
    UnknownImport { import: String, detail: String },
    #[error(
        "it exports no HTTP handler: `wasi:http/incoming-handler@0.2` or `wasi:http/handler@0.3` is needed, it exports {0}"
    )]
    NoHandler(String),
    #[error("it declares {declared} bytes of memory at start, more than its limit of {limit}")]
    TooLarge { declared: u64, limit: u64 },
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    Lend(#[from] LendError),
}

impl LoadError {
    pub fn code(&self) -> Code {
        match self {
            Self::NotWasm => code::NOT_WASM,
            Self::CoreModule => code::CORE_MODULE,
            Self::Unsupported(_) | Self::TooLarge { .. } => code::UNSUPPORTED_COMPONENT,
            Self::UnknownImport { .. } => code::UNKNOWN_IMPORT,
            Self::NoHandler(_) => code::NO_HANDLER,
            Self::Unreadable(_) => code::FILE_MISSING,
            Self::Lend(error) => error.code(),
        }
    }
}

/// A component ready to be instantiated.
pub(crate) enum Pre {
    Http2(ProxyPre<Guest>),
    Http3(ServicePre<Guest>),
    Values(http_values::ServicePre<Guest>),
}

impl Pre {
    pub(crate) fn handler(&self) -> Handler {
        match self {
            Self::Http2(_) => Handler::Http2,
            Self::Http3(_) => Handler::Http3,
            Self::Values(_) => Handler::Values,
        }
    }
}

/// What the outside of a component says about it, read without compiling.
#[derive(Default)]
struct Surface {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Maps what was compiled before, or compiles, and resolves imports. Blocks: seconds for a large guest.
pub(crate) fn load(shared: &Shared, source: &Source) -> Result<Pre, LoadError> {
    let digest = source.digest();
    for side in [&shared.plain, &shared.concurrent] {
        if let Some(compiled) = side.cache.as_ref().and_then(|cache| cache.load(&side.engine, &digest)) {
            return link(side, &compiled);
        }
    }
    let wasm = source.read()?;
    let side = choose(shared, &surface(&wasm)?)?;
    link(side, &compile(side, &wasm, &digest)?)
}

fn link(side: &Side, compiled: &Compiled) -> Result<Pre, LoadError> {
    let exports: Vec<_> = compiled.component_type().exports(&side.engine).map(|(name, _)| name.to_owned()).collect();
    let handler = handler(&exports)?;
    let unsupported = |error: wasmtime::Error| LoadError::Unsupported(format!("{error:#}"));
    let own = services::link_for(compiled, &side.engine, &side.linker).map_err(unsupported)?;
    let linker = own.as_ref().unwrap_or(&side.linker);
    let pre = linker.instantiate_pre(compiled).map_err(|error| missing(&error))?;
    typed(pre, handler)
}

fn surface(wasm: &[u8]) -> Result<Surface, LoadError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    let mut surface = Surface::default();
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| LoadError::Unsupported(error.to_string()))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(LoadError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                surface.imports.extend(section.into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                surface.exports.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
    }
    Ok(surface)
}

fn choose<'a>(shared: &'a Shared, surface: &Surface) -> Result<&'a Side, LoadError> {
    // `weft:http` has an `async func`, which only an engine with concurrency knows.
    let concurrent = handler(&surface.exports)? != Handler::Http2
        || surface.imports.iter().chain(&surface.exports).any(|name| name.contains("@0.3."));
    Ok(if concurrent { &shared.concurrent } else { &shared.plain })
}

fn handler(exported: &[String]) -> Result<Handler, LoadError> {
    let exports = |prefix: &str| exported.iter().any(|name| name.starts_with(prefix));
    if exports("wasi:http/handler@0.3") {
        Ok(Handler::Http3)
    } else if exports("wasi:http/incoming-handler@0.2") {
        Ok(Handler::Http2)
    } else if exports("weft:http/handler@0.1") {
        Ok(Handler::Values)
    } else {
        Err(LoadError::NoHandler(listed(exported)))
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn compile(side: &Side, wasm: &[u8], digest: &Digest) -> Result<Compiled, LoadError> {
    let compiled = Compiled::new(&side.engine, wasm);
    let compiled = compiled.map_err(|error| LoadError::Unsupported(format!("{error:#}")))?;
    let Some(cache) = &side.cache else { return Ok(compiled) };
    let kept = compiled.serialize().map_err(io::Error::other).and_then(|code| cache.save(digest, &code));
    match kept {
        // Mapped code is shared with the page cache and leaves memory when idle; compiled code does not.
        Ok(()) => Ok(cache.load(&side.engine, digest).unwrap_or(compiled)),
        Err(error) => {
            tracing::warn!(%error, "compiled code could not be kept");
            Ok(compiled)
        }
    }
}

/// wasmtime names the import between backticks; the name is what the author can act on.
fn missing(error: &wasmtime::Error) -> LoadError {
    let text = format!("{error:#}");
    let import = text.split('`').nth(1).unwrap_or("an unknown name").to_owned();
    LoadError::UnknownImport { import, detail: text }
}

fn typed(pre: InstancePre<Guest>, handler: Handler) -> Result<Pre, LoadError> {
    let wrong = |error: wasmtime::Error| LoadError::Unsupported(format!("{error:#}"));
    match handler {
        Handler::Http2 => ProxyPre::new(pre).map(Pre::Http2).map_err(wrong),
        Handler::Http3 => ServicePre::new(pre).map(Pre::Http3).map_err(wrong),
        Handler::Values => http_values::ServicePre::new(pre).map(Pre::Values).map_err(wrong),
    }
}
