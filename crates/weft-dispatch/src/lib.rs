//! weft-dispatch
