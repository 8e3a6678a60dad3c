//! What TLS sessions of the proxy to upstreams and of Lua's sockets have in common, and how certificates that
//! clients show are judged.
//!
//! *Kong parity*: a server's certificate is verified only where the configuration, a service or the
//! code that connects asks for it.

mod client_chain;
mod verifier;

pub use client_chain::client_verify;
pub use verifier::{DepthLimited, Distrust, Unverified};
