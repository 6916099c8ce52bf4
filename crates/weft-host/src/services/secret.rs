//! A value that must not be seen: by whoever prints, logs or explains.

use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret's value. It cannot be printed, and its memory is wiped when the last copy goes.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    pub fn new(value: Zeroizing<String>) -> Self {
        Self(Arc::new(value))
    }

    /// The value itself: to hand it to the guest it was granted to, and to recognise it in its output.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
