//! From addresses to a connection of an HTTP client: one address after the other, TLS where it is asked for.
//!
//! What a guest calls and what a route forwards to are connected to in the same way. Who may be called, how names are
//! resolved and how many connections there may be is for the caller to say.

mod conn;
mod open;
mod tls;

pub use conn::{Conn, Stream};
pub use open::{ADDRESSES_MAX, DialError, Place, open};
pub use tls::{Identity, PemError, Roots, Tls};
