//! weft-manifest
