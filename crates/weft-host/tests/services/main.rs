//! Real guests against what the platform lends: an embedded store in a temporary folder, captured logs.

mod bench;
mod config;
mod files;
mod keyvalue;
mod logs;
mod otel;
mod outbound;
/// The manifest's own rules, and not the whole crate, whose dependencies would have the engine built anew for tests.
#[path = "../../../weft-manifest/src/outbound.rs"]
#[allow(dead_code, unreachable_pub, reason = "another crate's file")]
mod rules;
mod server;
mod stdio;
mod unit;
