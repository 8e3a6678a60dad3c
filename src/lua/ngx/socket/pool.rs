//! Pools: idle connections of a worker, by name, and how many may be open at once.

use super::connection::Connection;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Connections a pool holds when nobody says otherwise: Kong's `lua_socket_pool_size`.
pub(super) const DEFAULT_SIZE: usize = 256;

/// How many connections of a pool may be open, and how many calls may wait for one: `pool_size` and `backlog` of
/// `connect`. The first call that names them settles them for the pool.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) size: usize,
    pub(super) backlog: usize,
}

/// What a call that wants a connection gets.
pub(super) enum Found {
    /// An idle connection.
    Idle(Box<Connection>),
    /// Leave to open one.
    Place(Option<Place>),
    /// All are in use: an answer to wait for, after which to ask again.
    Wait(oneshot::Receiver<()>),
    /// So many wait already that one more may not.
    Refused,
}

/// One of the connections that a pool with bounds may have; given back when dropped.
pub(super) struct Place(String);

struct Idle {
    connection: Connection,
    /// When it is given up; never for none.
    until: Option<Instant>,
}

#[derive(Default)]
struct Pool {
    idle: VecDeque<Idle>,
    bounds: Option<Bounds>,
    open: usize,
    waiting: VecDeque<oneshot::Sender<()>>,
}

thread_local! {
    static POOLS: RefCell<HashMap<String, Pool>> = RefCell::new(HashMap::new());
}

impl Drop for Place {
    fn drop(&mut self) {
        // A connection may be dropped while its pool is worked on, or when the thread ends.
        let _ = POOLS.try_with(|pools| {
            if let Ok(mut pools) = pools.try_borrow_mut()
                && let Some(pool) = pools.get_mut(&self.0)
            {
                pool.open = pool.open.saturating_sub(1);
                pool.wake();
                if pool.is_empty() {
                    pools.remove(&self.0);
                }
            }
        });
    }
}

impl Pool {
    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.open == 0 && self.waiting.is_empty()
    }

    /// Lets the next call that waits try again.
    fn wake(&mut self) {
        while let Some(next) = self.waiting.pop_front() {
            if next.send(()).is_ok() {
                return;
            }
        }
    }

    /// Idle connections that are good no more are returned, to be dropped when the pools are not in use.
    fn take_idle(&mut self, stale: &mut Vec<Connection>) -> Option<Connection> {
        while let Some(mut idle) = self.idle.pop_back() {
            let fresh = idle.until.is_none_or(|until| until > Instant::now());
            if fresh && idle.connection.is_quiet() {
                idle.connection.reused += 1;
                return Some(idle.connection);
            }
            stale.push(idle.connection);
        }
        None
    }
}

/// Finds a connection in a pool, the one put away last, or leave to open one.
pub(super) fn find(name: &str, bounds: Option<Bounds>) -> Found {
    let mut stale = Vec::new();
    let idle = POOLS.with_borrow_mut(|pools| pools.get_mut(name)?.take_idle(&mut stale));
    drop(stale);
    if let Some(connection) = idle {
        return Found::Idle(Box::new(connection));
    }
    POOLS.with_borrow_mut(|pools| {
        if bounds.is_none() && pools.get(name).is_none_or(|pool| pool.bounds.is_none()) {
            return Found::Place(None);
        }
        let pool = pools.entry(name.to_owned()).or_default();
        pool.bounds = pool.bounds.or(bounds);
        let Some(bounds) = pool.bounds else { return Found::Place(None) };
        if pool.open < bounds.size {
            pool.open += 1;
            return Found::Place(Some(Place(name.to_owned())));
        }
        pool.waiting.retain(|waiting| !waiting.is_closed());
        if pool.waiting.len() >= bounds.backlog {
            return Found::Refused;
        }
        let (told, answer) = oneshot::channel();
        pool.waiting.push_back(told);
        Found::Wait(answer)
    })
}

/// Puts a connection away; the one idle for longest goes when the pool is full.
pub(super) fn put(connection: Connection, keep: Option<Duration>, size: usize) {
    let until = keep.map(|keep| Instant::now() + keep);
    // What is given up is dropped when the pools are not in use: it gives its place back.
    let mut given_up = Vec::new();
    POOLS.with_borrow_mut(|pools| {
        let now = Instant::now();
        for pool in pools.values_mut() {
            let (kept, late) =
                pool.idle.drain(..).partition(|idle| idle.until.is_none_or(|until| until > now));
            pool.idle = kept;
            let late: VecDeque<Idle> = late;
            given_up.extend(late.into_iter().map(|idle| idle.connection));
        }
        let pool = pools.entry(connection.pool.clone()).or_default();
        while pool.idle.len() >= size.max(1) {
            given_up.extend(pool.idle.pop_front().map(|idle| idle.connection));
        }
        pool.idle.push_back(Idle { connection, until });
        pool.wake();
        pools.retain(|_, pool| !pool.is_empty());
    });
}
