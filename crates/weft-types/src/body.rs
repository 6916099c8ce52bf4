//! Bodies stream: a frame at a time, trailers included, and nothing holds a whole one.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};

use crate::Fault;

/// A streamed HTTP body. Dropping it before its last frame says that nobody reads on.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Fault>;

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
