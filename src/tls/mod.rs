//! What TLS sessions of the proxy to upstreams and of Lua's sockets have in common.
//!
//! *Kong parity*: a server's certificate is verified only where the configuration, a service or the
//! code that connects asks for it.

mod verifier;

pub use verifier::{DepthLimited, Unverified};
