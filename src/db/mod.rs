//! Data access: the declarative configuration and the stores.

pub mod declarative;
