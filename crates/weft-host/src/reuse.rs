//! Whether a component's instances can serve twice. Most can; some 0.2 guests answer their first call only and leave
//! every later one without a response. The second call finds out, and costs its caller nothing where it is safe to
//! give it to a fresh instance.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use http_body::Body as _;
use http_body_util::{BodyExt, Empty};

use crate::body::HttpBody;

/// What is known so far.
#[derive(Default)]
pub(crate) struct Reuse(AtomicU8);

const UNTRIED: u8 = 0;
const WORKS: u8 = 1;
const ONCE_ONLY: u8 = 2;

impl Reuse {
    pub(crate) fn allowed(&self) -> bool {
        self.0.load(Relaxed) != ONCE_ONLY
    }

    pub(crate) fn is_untried(&self) -> bool {
        self.0.load(Relaxed) == UNTRIED
    }

    pub(crate) fn is_known_to_work(&self) -> bool {
        self.0.load(Relaxed) == WORKS
    }

    pub(crate) fn works(&self) {
        if self.is_untried() {
            self.0.store(WORKS, Relaxed);
        }
    }

    /// `true` for the first to find out.
    pub(crate) fn fails(&self) -> bool {
        self.0.swap(ONCE_ONLY, Relaxed) != ONCE_ONLY
    }
}

/// A copy to serve again, of what may be served again: a safe method without a body.
pub(crate) fn copy(request: &http::Request<HttpBody>) -> Option<http::Request<HttpBody>> {
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = http::Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
