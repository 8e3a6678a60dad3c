//! A connection to a peer.

use super::PoolKey;
use crate::proxy::{Stream, Wire};

/// A connection to a peer, new or from the pool.
#[derive(Debug)]
pub struct Connection {
    /// The connection itself.
    pub wire: Wire,
    /// What it may be used for.
    pub key: PoolKey,
    /// Requests it has carried, the present one included.
    pub requests: u32,
}

impl Connection {
    /// A connection just made.
    pub fn new(stream: Stream, key: PoolKey) -> Connection {
        Connection { wire: Wire::new(stream), key, requests: 0 }
    }

    /// Whether it has carried a request before.
    pub const fn is_reused(&self) -> bool {
        self.requests > 1
    }
}
