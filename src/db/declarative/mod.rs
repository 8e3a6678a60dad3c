//! The declarative configuration: text → entities and back.

mod scalar;
pub mod yaml;
