//! What a worker's connections share.

use super::deadline;
use super::phases::Plugins;
use super::settings::Settings;
use super::upstream::{PeerPicker, Pool, UpstreamTls, UpstreamTrust};
use crate::exchange::{Client, Exchange, Request};
use crate::observability::{AccessLog, LogFormat, counters};
use crate::snapshot::Published;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Milliseconds that an idle connection gets when the worker drains.
const IDLE_IN_DRAIN: u64 = 5000;
/// Exchanges kept for later.
const KEPT: usize = 128;

/// A worker: what all connections of one thread share. Nothing of it is shared between threads but
/// what is immutable.
pub struct Worker {
    /// The configuration.
    pub settings: Settings,
    /// The snapshot in force.
    pub published: Arc<Published>,
    /// Chooses peers.
    pub peers: Box<dyn PeerPicker>,
    /// Runs plugins.
    pub plugins: Plugins,
    /// TLS to upstreams.
    pub upstream_tls: UpstreamTls,
    /// Idle upstream connections.
    pub pool: Pool,
    /// The access log.
    pub access_log: RefCell<AccessLog>,
    /// Told when a batch of its lines begins to wait.
    pub access_log_waits: tokio::sync::Notify,
    /// Its format.
    pub access_format: LogFormat,
    draining: Cell<bool>,
    connections: Cell<usize>,
    last_closed: tokio::sync::Notify,
    drain_begins: tokio::sync::Notify,
    #[allow(clippy::vec_box)] // an exchange must not move
    exchanges: RefCell<Vec<Box<Exchange>>>,
}

/// The parts that make a [`Worker`].
pub struct WorkerParts {
    /// The configuration.
    pub settings: Settings,
    /// The snapshot in force.
    pub published: Arc<Published>,
    /// Chooses peers.
    pub peers: Box<dyn PeerPicker>,
    /// Runs plugins.
    pub plugins: Plugins,
    /// Certificates of TLS to upstreams.
    pub upstream_trust: Box<dyn UpstreamTrust>,
    /// The access log.
    pub access_log: AccessLog,
    /// Its format.
    pub access_format: LogFormat,
}

impl Worker {
    /// A worker of these parts.
    pub fn new(parts: WorkerParts) -> Rc<Worker> {
        Rc::new(Worker {
            pool: Pool::new(parts.settings.pool),
            settings: parts.settings,
            published: parts.published,
            peers: parts.peers,
            plugins: parts.plugins,
            upstream_tls: UpstreamTls::new(parts.upstream_trust),
            access_log: RefCell::new(parts.access_log),
            access_log_waits: tokio::sync::Notify::new(),
            access_format: parts.access_format,
            draining: Cell::new(false),
            connections: Cell::new(0),
            last_closed: tokio::sync::Notify::new(),
            drain_begins: tokio::sync::Notify::new(),
            exchanges: RefCell::default(),
        })
    }

    /// Whether connections are to end after their next response.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Lets connections end after their next response.
    ///
    /// Those that idle get a while for a request that is on its way, and are closed when none came:
    /// clients that are busy never notice, and the worker does not outlive its use for long.
    pub fn drain(&self) {
        self.draining.set(true);
        deadline::cut_idle_short(IDLE_IN_DRAIN);
        self.drain_begins.notify_waiters();
    }

    /// Waits until connections are to end.
    pub async fn until_drain(&self) {
        let begins = self.drain_begins.notified();
        if !self.is_draining() {
            begins.await;
        }
    }

    /// How many client connections are open.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Counts a connection for as long as the guard lives.
    pub fn count_connection(self: &Rc<Self>) -> ConnectionGuard {
        self.connections.set(self.connections.get() + 1);
        counters::connection_accepted();
        ConnectionGuard(self.clone())
    }

    /// Waits until no connection is open.
    pub async fn all_closed(&self) {
        loop {
            let closed = self.last_closed.notified();
            if self.connections.get() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// An exchange for the next request of a client, under the snapshot in force.
    pub fn begin_exchange(&self, client: &Rc<Client>) -> Box<Exchange> {
        counters::request_begun();
        match self.exchanges.borrow_mut().pop() {
            Some(mut exchange) if exchange.snapshot.generation == self.published.generation() => {
                exchange.renew(client);
                exchange
            }
            _ => Box::new(Exchange::new(client.clone(), self.published.current(), Request::default())),
        }
    }

    /// Puts an exchange whose request has only now come under the snapshot in force: a client may have connected, or
    /// begun to send, long before.
    ///
    /// *Cost*: one atomic load, while nothing was published meanwhile.
    pub fn renew_snapshot(&self, exchange: &mut Exchange) {
        if exchange.snapshot.generation != self.published.generation() {
            exchange.snapshot = self.published.current();
        }
    }

    /// Takes back an exchange that is over.
    pub fn end_exchange(&self, mut exchange: Box<Exchange>) {
        counters::request_ended();
        // The body holds on to its connection.
        exchange.request.body = crate::exchange::RequestBody::Empty;
        let mut kept = self.exchanges.borrow_mut();
        if kept.len() < KEPT {
            kept.push(exchange);
        }
    }

    /// Once a second: closes idle connections, lets go of old snapshots.
    pub fn tick(&self) {
        self.pool.sweep();
        self.release_old_snapshots();
    }

    /// Lets go of the snapshots that exchanges kept for later still hold, except the one in force.
    pub fn release_old_snapshots(&self) {
        let generation = self.published.generation();
        self.exchanges.borrow_mut().retain(|exchange| exchange.snapshot.generation == generation);
    }
}

/// An open connection, as the worker counts it.
pub struct ConnectionGuard(Rc<Worker>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        counters::connection_closed();
        let left = self.0.connections.get().saturating_sub(1);
        self.0.connections.set(left);
        if left == 0 {
            self.0.last_closed.notify_waiters();
        }
    }
}
