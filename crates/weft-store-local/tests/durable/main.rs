//! Proofs that what was acknowledged lasts, and that nothing is ever half there.
//!
//! - `kill`: a process under load is killed, again and again, and its folder looked at.
//! - `power`: a file layer under a process writes down what it does to its files; from that every state is made that a
//!   power cut could have left, with what was not synced dropped, kept or torn, and each is looked at.
//! - `refuse`: the disk is full, read-only or broken, and then is not.
#![cfg(target_os = "linux")]

mod kill;
mod layer;
mod load;
mod power;
mod refuse;
mod trace;

/// Whether the long tiers were asked for.
fn deep() -> bool {
    std::env::var_os("WEFT_DEEP").is_some()
}
