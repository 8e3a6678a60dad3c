//! The upstream's side: choosing a peer, connecting, keeping connections, sending, receiving.
//!
//! A request goes out by [`forward::forward`]: pick a [`Peer`], take a connection from the [`Pool`] or
//! open one, send, wait for the head, and on failure decide whether another try is allowed. What comes
//! back is an [`Answer`]: a connection whose response head was read and whose body waits.

mod answer;
mod connect;
mod connection;
pub mod forward;
mod payload;
mod peer;
mod pool;
mod request_head;
mod send;
mod tls;

pub use answer::Answer;
pub use connection::Connection;
pub use payload::Payload;
pub use peer::{LookupPeers, Outcome, Peer, PeerPicker};
pub use pool::{Authorities, Identity, Pool, PoolKey, PoolLimits, TlsKey};
pub use request_head::{listed, wants_trailers};
pub use tls::{UpstreamTls, UpstreamTrust};
