//! weft-build
