//! weft-gateway
