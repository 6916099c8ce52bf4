//! What a route does with its requests and answers besides finding who answers: prepared when the table is built, so
//! that a route without any of it pays one look at an `Option`.

pub mod addresses;
pub mod compression;
pub mod cors;
pub mod headers;
pub mod rewrite;

pub use addresses::AddressRules;
pub use compression::Compression;
pub use cors::Cors;
pub use headers::HeaderChanges;
pub use rewrite::Rewrite;

use crate::MirrorTo;

/// Everything that a route adds to plain routing. A route without any of it has none of this.
#[derive(Debug, Clone, Default)]
pub struct Features {
    /// Whom it answers.
    pub addresses: Option<AddressRules>,
    /// Where the request goes, as whoever answers it sees it.
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's headers, before whoever answers sees them.
    pub request_headers: HeaderChanges,
    /// Which pages of other origins may read the answers.
    pub cors: Option<Cors>,
    /// Which answers are kept for others.
    pub cache: Option<crate::cache::Options>,
    /// Which answers are compressed.
    pub compression: Option<Compression>,
    /// Who is given copies of the requests.
    pub mirror: Option<MirrorTo>,
    /// Changes to the answer's headers, last of all.
    pub response_headers: HeaderChanges,
}
