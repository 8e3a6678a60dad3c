//! Keep-alive pools: idle connections of a worker, by name.

use super::connection::Connection;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Connections a pool holds when nobody says otherwise: Kong's `lua_socket_pool_size`.
pub(super) const DEFAULT_SIZE: usize = 256;

struct Idle {
    connection: Connection,
    /// When it is given up; never for none.
    until: Option<Instant>,
}

thread_local! {
    static POOLS: RefCell<HashMap<String, VecDeque<Idle>>> = RefCell::new(HashMap::new());
}

/// Takes the connection put away last, if one is still good.
pub(super) fn take(name: &str) -> Option<Connection> {
    POOLS.with_borrow_mut(|pools| {
        let pool = pools.get_mut(name)?;
        while let Some(mut idle) = pool.pop_back() {
            let fresh = idle.until.is_none_or(|until| until > Instant::now());
            if fresh && idle.connection.is_quiet() {
                idle.connection.reused += 1;
                return Some(idle.connection);
            }
        }
        pools.remove(name);
        None
    })
}

/// Puts a connection away; the one idle for longest goes when the pool is full.
pub(super) fn put(connection: Connection, keep: Option<Duration>, size: usize) {
    let until = keep.map(|keep| Instant::now() + keep);
    POOLS.with_borrow_mut(|pools| {
        let now = Instant::now();
        for pool in pools.values_mut() {
            pool.retain(|idle| idle.until.is_none_or(|until| until > now));
        }
        pools.retain(|_, pool| !pool.is_empty());
        let pool = pools.entry(connection.pool.clone()).or_default();
        while pool.len() >= size.max(1) {
            pool.pop_front();
        }
        pool.push_back(Idle { connection, until });
    });
}
