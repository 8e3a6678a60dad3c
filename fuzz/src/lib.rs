//! What the fuzz targets share.
//!
//! - [`wire`]: messages as our codec reads them, whole or in pieces
//! - [`hyper`]: the same bytes as hyper reads them
//! - [`document`]: JSON values made from a schema and random bytes

pub mod document;
pub mod hyper;
pub mod wire;
