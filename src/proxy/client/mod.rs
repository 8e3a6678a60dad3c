//! The clients' side: connections, and the two protocols they speak.
//!
//! - [`h1_connection`]: the life of an HTTP/1 connection; [`Link`] is what its parts share
//! - `H1Client`: the [`super::Downstream`] of HTTP/1
//! - [`h2_connection`]: the life of an HTTP/2 connection; `H2Client`: its [`super::Downstream`]

mod h1_client;
pub mod h1_connection;
mod h2_client;
pub mod h2_connection;
mod link;
mod raw;

pub use link::Link;
