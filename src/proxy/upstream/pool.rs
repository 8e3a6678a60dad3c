//! Idle upstream connections of this worker.

use super::Connection;
use crate::exchange::{Brought, ClientIdentity};
use crate::proxy::deadline;
use rustls::pki_types::CertificateDer;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// What makes two connections interchangeable: address, and for TLS the server name, the client
/// certificate and how the peer was verified.
///
/// *Kong parity*: `ip|port|sni|client_cert`; the verification is ours, so that a connection opened
/// without it never serves a service that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The peer.
    pub address: SocketAddr,
    /// What its TLS session was made with; `None` for a plain connection.
    pub tls: Option<Rc<TlsKey>>,
}

/// What a TLS session to an upstream was made with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsKey {
    /// The server name.
    pub sni: Box<[u8]>,
    /// The client certificate.
    pub identity: Identity,
    /// Chain length limit and authorities, when the peer was verified.
    pub verified: Option<(u32, Authorities)>,
    /// [`super::UpstreamTls::version`]: a session that was judged by other certificates is not used again.
    pub version: u64,
}

/// Which client certificate a peer is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// That of `client_ssl_cert`, if any.
    Configured,
    /// The certificate entity with this id.
    Entity(Arc<str>),
    /// One that a plugin brought.
    Brought(Arc<Brought<ClientIdentity>>),
}

/// By what a peer is verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Authorities {
    /// The CA certificate entities with these ids; with none the authorities of the configuration.
    Entities(Vec<Arc<str>>),
    /// Those that a plugin brought.
    Brought(Arc<Brought<Vec<CertificateDer<'static>>>>),
}

/// Bounds on idle connections, from `upstream_keepalive_*`.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Most idle connections per key; zero keeps none at all.
    pub size: usize,
    /// How long one may idle, in milliseconds; zero for ever.
    pub idle: u64,
    /// Requests after which one is closed; zero never.
    pub requests: u32,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits { size: 512, idle: 60_000, requests: 10_000 }
    }
}

/// Idle upstream connections, youngest used first.
///
/// *Cost*: taking and giving allocate nothing once a key is known.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    /// A key stands for open connections: clients, who choose server names where a route preserves their host,
    /// cannot make many, and a hash that withstands attacks is not needed.
    idle: RefCell<HashMap<PoolKey, VecDeque<Idle>, foldhash::fast::RandomState>>,
    count: Cell<usize>,
}

#[derive(Debug)]
struct Idle {
    since: u64,
    connection: Connection,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Pool {
        Pool { limits, ..Pool::default() }
    }

    /// An idle connection that is still open.
    pub fn take(&self, key: &PoolKey) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let queue = idle.get_mut(key)?;
        while let Some(mut candidate) = queue.pop_back() {
            self.count.set(self.count.get() - 1);
            if self.is_fresh(candidate.since) && candidate.connection.wire.is_quiet() {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end, if there is room.
    pub fn give(&self, mut connection: Connection) {
        let spent = self.limits.requests > 0 && connection.requests >= self.limits.requests;
        if self.limits.size == 0 || spent || !connection.wire.is_quiet() {
            return;
        }
        connection.wire.release();
        connection.wire.writing.clear();
        let mut idle = self.idle.borrow_mut();
        if !idle.contains_key(&connection.key) {
            idle.insert(connection.key.clone(), VecDeque::new());
        }
        let Some(queue) = idle.get_mut(&connection.key) else { return };
        if queue.len() >= self.limits.size {
            queue.pop_front();
        } else {
            self.count.set(self.count.get() + 1);
        }
        queue.push_back(Idle { since: deadline::now(), connection });
    }

    /// Closes what has idled for too long or was closed by its peer; to be called about once a second.
    pub fn sweep(&self) {
        if self.count.get() == 0 {
            return;
        }
        let mut left = 0;
        self.idle.borrow_mut().retain(|_, queue| {
            queue.retain_mut(|idle| {
                let wire = &mut idle.connection.wire;
                let stays = self.is_fresh(idle.since) && wire.is_quiet();
                wire.release();
                stays
            });
            left += queue.len();
            !queue.is_empty()
        });
        self.count.set(left);
    }

    /// How many connections idle.
    pub fn len(&self) -> usize {
        self.count.get()
    }

    /// Whether none idles.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_fresh(&self, since: u64) -> bool {
        self.limits.idle == 0 || deadline::now().saturating_sub(since) < self.limits.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Plain, Stream};
    use tokio::net::UnixStream;

    fn key(port: u16) -> PoolKey {
        PoolKey { address: SocketAddr::from(([127, 0, 0, 1], port)), tls: None }
    }

    fn connection(port: u16) -> (Connection, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(Stream::Plain(Plain::Unix(near)), key(port));
        // The kernel's answer to a first read is what later says that nothing has come.
        assert!(connection.wire.is_quiet());
        (connection, far)
    }

    #[tokio::test]
    async fn connections_are_found_by_their_key_and_counted() {
        let pool = Pool::new(PoolLimits::default());
        let (one, _far) = connection(1);
        pool.give(one);
        assert!(pool.take(&key(2)).is_none());
        assert_eq!(pool.len(), 1);
        assert!(pool.take(&key(1)).is_some());
        assert!(pool.take(&key(1)).is_none() && pool.is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_its_peer_closed_is_not_handed_out() {
        let pool = Pool::new(PoolLimits::default());
        let (one, far) = connection(1);
        pool.give(one);
        drop(far);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        pool.sweep();
        assert!(pool.is_empty() && pool.take(&key(1)).is_none());
    }

    #[tokio::test]
    async fn the_oldest_goes_when_the_pool_is_full_and_a_spent_one_is_not_kept() {
        let pool = Pool::new(PoolLimits { size: 1, idle: 60_000, requests: 2 });
        let (mut one, _far_one) = connection(1);
        let (mut two, _far_two) = connection(1);
        one.requests = 2;
        pool.give(one);
        assert!(pool.is_empty());
        two.requests = 1;
        pool.give(two);
        let (three, _far_three) = connection(1);
        pool.give(three);
        assert_eq!(pool.len(), 1);
        assert_eq!(pool.take(&key(1)).map(|c| c.requests), Some(0));
    }
}
