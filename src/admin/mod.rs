//! The Admin API.

pub mod endpoint;
pub mod json;
pub mod reply;
