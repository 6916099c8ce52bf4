//! weft-store-local
