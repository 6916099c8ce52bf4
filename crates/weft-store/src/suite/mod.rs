//! What every backend must do, held to what it declares in its [`Capabilities`](crate::Capabilities).

mod wait;

pub use wait::wait;
