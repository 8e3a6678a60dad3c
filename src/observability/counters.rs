//! Counters of connections and requests, those of nginx's stub status.
//!
//! Every thread counts in a block of its own, which nobody else writes; a reader adds the blocks up.
//! So counting costs a plain addition, and no two workers share a cache line.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one thread.
///
/// *Invariant*: only its own thread writes; others read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Block {
    accepted: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
    answered: AtomicU64,
}

/// What all threads of the process have counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Client connections since the start.
    pub accepted: u64,
    /// Client connections that are open.
    pub active: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Requests that are being answered.
    pub writing: u64,
}

impl Counted {
    /// Open connections on which nothing is being answered.
    pub const fn waiting(&self) -> u64 {
        self.active.saturating_sub(self.writing)
    }
}

static BLOCKS: Mutex<Vec<&'static Block>> = Mutex::new(Vec::new());

thread_local! {
    /// Leaked on purpose: the counts of a thread that ended still count, and threads are few.
    static OWN: &'static Block = {
        let block: &'static Block = Box::leak(Box::default());
        BLOCKS.lock().push(block);
        block
    };
}

/// Bytes of Lua memory, by the worker's number.
static LUA_MEMORY: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// A worker tells how many bytes its VM holds.
pub fn note_lua_memory(worker: usize, bytes: u64) {
    let mut noted = LUA_MEMORY.lock();
    if noted.len() <= worker {
        noted.resize(worker + 1, 0);
    }
    if let Some(slot) = noted.get_mut(worker) {
        *slot = bytes;
    }
}

/// How many bytes the VM of each worker held when it last told.
pub fn lua_memory() -> Vec<u64> {
    LUA_MEMORY.lock().clone()
}

/// A client connected.
pub fn connection_accepted() {
    OWN.with(|block| add(&block.accepted));
}

/// A client's connection ended.
pub fn connection_closed() {
    OWN.with(|block| add(&block.closed));
}

/// A request begins to be answered.
pub fn request_begun() {
    OWN.with(|block| add(&block.requests));
}

/// A request has been answered, or given up.
pub fn request_ended() {
    OWN.with(|block| add(&block.answered));
}

/// All counts, added up now.
pub fn counted() -> Counted {
    let blocks = BLOCKS.lock();
    let sum =
        |of: fn(&Block) -> &AtomicU64| blocks.iter().map(|b| of(b).load(Ordering::Relaxed)).sum::<u64>();
    // What ends is read first: so nothing seems to have ended before it began.
    let (closed, answered) = (sum(|b| &b.closed), sum(|b| &b.answered));
    let (accepted, requests) = (sum(|b| &b.accepted), sum(|b| &b.requests));
    Counted { accepted, active: accepted - closed, requests, writing: requests - answered }
}

/// One more; no read-modify-write instruction, since nobody else writes here.
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_ended_threads_still_count() {
        let before = counted();
        let count = || {
            connection_accepted();
            request_begun();
        };
        std::thread::spawn(count).join().unwrap();
        let after = counted();
        assert!(after.accepted > before.accepted && after.requests > before.requests);
    }
}
