//! Real guests against what the platform lends: an embedded store in a temporary folder, captured logs.

mod bench;
mod config;
mod keyvalue;
mod logs;
mod unit;
