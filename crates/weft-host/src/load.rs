//! From bytes to something that can be instantiated, with a reason for every refusal.

use std::{io, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, MemoryType, Parser, Payload};
use wasmtime::component::{Component as Compiled, InstancePre};
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};
use weft_types::{Code, Digest, Name, code};

use crate::{
    engine::{Shared, Side},
    grants::{Grants, Isolation, Limits},
    guest::Guest,
    http_values,
    limits::TABLE_ELEMENTS_MAX,
    services::{self, CodeFrom, LendError},
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
    /// Both in bytes.
    #[error(
        "it declares {} of memory at start, more than its limit of {}: raise `limits.memory`, or build it with less",
        size(*declared), size(*limit)
    )]
    TooLarge { declared: u64, limit: u64 },
    #[error("it declares a table of {declared} elements at start, more than the {limit} that any component may have")]
    TableTooLarge { declared: u64, limit: u64 },
    #[error("loading it ended badly: {0}")]
    Ended(String),
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
            Self::Unsupported(_) | Self::TooLarge { .. } | Self::TableTooLarge { .. } => code::UNSUPPORTED_COMPONENT,
            Self::Ended(_) => code::INTERNAL,
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
    pub(crate) fn code_bytes(&self) -> u64 {
        let compiled = match self {
            Self::Http2(pre) => pre.instance_pre().component(),
            Self::Http3(pre) => pre.instance_pre().component(),
            Self::Values(pre) => pre.instance_pre().component(),
        };
        let range = compiled.image_range();
        (range.end as usize - range.start as usize) as u64
    }

    /// Whether it can be told of everything that a guest does for which of its calls: what `wasi:http@0.2` sends
    /// does not say it.
    pub(crate) fn tells_callers(&self) -> bool {
        let Self::Http3(pre) = self else { return false };
        let (component, engine) = (pre.instance_pre().component(), pre.engine());
        !component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:http/outgoing-handler@"))
    }

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
    declared: Declared,
}

/// What the core modules of a component ask for before they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Declared {
    /// All linear memories together, in bytes.
    memory: u64,
    /// Elements of the largest table.
    table: u64,
}

impl Declared {
    fn of_memory(memory: &MemoryType) -> u64 {
        memory.initial.saturating_mul(1 << memory.page_size_log2.unwrap_or(PAGE_BYTES_LOG2).min(63))
    }

    /// An instance that could never be made is refused when it is deployed, not at each call.
    fn within(self, memory_limit: u64) -> Result<(), LoadError> {
        if self.memory > memory_limit {
            return Err(LoadError::TooLarge { declared: self.memory, limit: memory_limit });
        }
        let limit = TABLE_ELEMENTS_MAX as u64;
        if self.table > limit { Err(LoadError::TableTooLarge { declared: self.table, limit }) } else { Ok(()) }
    }
}

/// A page of linear memory has 64 KiB, unless the module says otherwise.
const PAGE_BYTES_LOG2: u32 = 16;

/// Maps what was compiled before, or compiles, and resolves imports. Blocks: seconds for a large guest.
///
/// `memory_limit` is that of one instance, in bytes.
pub(crate) fn load(shared: &Shared, source: &Source, memory_limit: u64) -> Result<Pre, LoadError> {
    let began = shared.clock.now();
    let (pre, from) = load_from(shared, source, memory_limit)?;
    shared.services.meters().code_ready(from, shared.clock.now().since(began));
    Ok(pre)
}

fn load_from(shared: &Shared, source: &Source, memory_limit: u64) -> Result<(Pre, CodeFrom), LoadError> {
    let digest = source.digest();
    let mut from = CodeFrom::Compiler;
    for side in [&shared.plain, &shared.concurrent] {
        let Some(cache) = side.cache.as_ref().filter(|cache| cache.holds(&digest)) else { continue };
        if let Some(compiled) = cache.load(&side.engine, &digest) {
            declared(&compiled, source)?.within(memory_limit)?;
            return Ok((link(side, &compiled)?, CodeFrom::Cache));
        }
        from = CodeFrom::StaleCache;
    }
    let wasm = source.read()?;
    let surface = surface(&wasm)?;
    surface.declared.within(memory_limit)?;
    let side = choose(shared, &surface)?;
    Ok((link(side, &compile(side, &wasm, &digest)?)?, from))
}

/// As [`surface`] says it, without reading the component where its compiled code can tell: the limit may have been
/// lowered since that was made.
fn declared(compiled: &Compiled, source: &Source) -> Result<Declared, LoadError> {
    match compiled.resources_required() {
        Some(required) if required.num_memories <= 1 => {
            let memory = required.max_initial_memory_size.unwrap_or(0).saturating_mul(1 << PAGE_BYTES_LOG2);
            Ok(Declared { memory, table: required.max_initial_table_size.unwrap_or(0) })
        }
        _ => Ok(surface(&source.read()?)?.declared),
    }
}

/// As a manifest writes it, where that is exact.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(log2, _)| bytes != 0 && bytes.trailing_zeros() >= *log2) {
        Some((log2, unit)) => format!("{}{unit}", bytes >> log2),
        None => format!("{bytes}B"),
    }
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
            Payload::MemorySection(section) => {
                let memories = section.into_iter().flatten().map(|memory| Declared::of_memory(&memory));
                surface.declared.memory = memories.fold(surface.declared.memory, u64::saturating_add);
            }
            Payload::TableSection(section) => {
                let tables = section.into_iter().flatten().map(|table| table.ty.initial);
                surface.declared.table = tables.fold(surface.declared.table, u64::max);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        [&[id, u8::try_from(body.len()).expect("short")], body].concat()
    }

    /// A component with a core module for each of `modules`: the pages of its memories and the elements of its table.
    fn component(modules: &[(&[u8], u8)]) -> Vec<u8> {
        let mut wasm = b"\0asm\x0d\0\x01\0".to_vec();
        for (memories, table) in modules {
            let pages: Vec<u8> = memories.iter().flat_map(|pages| [0, *pages]).collect();
            let count = u8::try_from(memories.len()).expect("few");
            let (tables, memories) = (section(4, &[1, 0x70, 0, *table]), section(5, &[&[count], &pages[..]].concat()));
            wasm.extend(section(1, &[b"\0asm\x01\0\0\0", &tables[..], &memories[..]].concat()));
        }
        wasm
    }

    #[test]
    fn what_is_declared_is_the_sum_of_memories_and_the_largest_table() {
        let found = surface(&component(&[(&[17], 5), (&[2, 1], 9), (&[], 1)])).expect("a component").declared;
        assert_eq!(found, Declared { memory: 20 << 16, table: 9 });
        assert!(found.within(20 << 16).is_ok());
        let error = found.within(1 << 20).expect_err("more than the limit");
        assert!(matches!(error, LoadError::TooLarge { declared: 1_310_720, limit: 1_048_576 }));
        for told in ["1280KiB", "1MiB", "`limits.memory`"] {
            assert!(error.to_string().contains(told), "{error}");
        }
        let error = Declared { memory: 0, table: 100_001 }.within(1).expect_err("more than any may have");
        assert!(error.to_string().contains("100001") && error.to_string().contains("100000"), "{error}");
    }
}
