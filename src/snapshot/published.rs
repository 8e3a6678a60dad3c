//! The one pointer that requests read their snapshot through.

use super::Snapshot;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// To free so many entities takes about a millisecond.
const MANY: usize = 1000;

/// The snapshot in force, swapped whole.
///
/// *Invariant*: there is one per worker process; every generation published is greater than the last.
#[derive(Debug)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    generation: AtomicU64,
    certificates: AtomicU64,
    changes: watch::Sender<u64>,
    /// No longer in force, and perhaps still used by requests.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Default for Published {
    fn default() -> Self {
        Published {
            current: ArcSwap::default(),
            generation: AtomicU64::new(0),
            certificates: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            retired: Mutex::default(),
        }
    }
}

impl Published {
    /// The snapshot in force.
    ///
    /// *Cost*: no lock; one atomic increment.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The generation in force, for those who only want to know whether it changed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// [`Snapshot::certificates_version`] of the snapshot in force.
    ///
    /// *Cost*: one load; asked at each request to an upstream over TLS.
    pub fn certificates_version(&self) -> u64 {
        self.certificates.load(Ordering::Acquire)
    }

    /// Tells each generation published from now on, or the newest when several came at once.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts a snapshot in force. The one it replaces stays until [`Published::free_retired`].
    pub fn publish(&self, mut snapshot: Snapshot) {
        let generation = self.generation() + 1;
        snapshot.generation = generation;
        let certificates = snapshot.certificates_version;
        let old = self.current.swap(Arc::new(snapshot));
        self.certificates.store(certificates, Ordering::Release);
        self.generation.store(generation, Ordering::Release);
        self.changes.send_replace(generation);
        self.retired.lock().push(old);
    }

    /// Whether a snapshot that is no longer in force is still in memory.
    pub fn holds_retired(&self) -> bool {
        !self.retired.lock().is_empty()
    }

    /// Whether there is anything for [`Published::free_retired`] to free.
    pub fn has_retired(&self) -> bool {
        self.retired.lock().iter().any(|old| Arc::strong_count(old) == 1)
    }

    /// Whether [`Published::free_retired`] has much to do: where a snapshot in force was mostly made anew.
    pub fn frees_much(&self) -> bool {
        let current = self.current();
        let is_another = |old: &Arc<Snapshot>| match (&old.dataset, &current.dataset) {
            (Some(old), Some(current)) => old.differences(current) > MANY,
            (old, _) => old.is_some(),
        };
        self.retired.lock().iter().filter(|old| Arc::strong_count(old) == 1).any(is_another)
    }

    /// Frees snapshots that are no longer in force and that no request uses any more; to be called now
    /// and then by a thread that serves no requests.
    ///
    /// *Cost*: freeing a large one of which nothing lives on takes tens of milliseconds, which requests would wait for if
    /// the worker that used it last had to do it.
    pub fn free_retired(&self) {
        let free: Vec<_> = self.retired.lock().extract_if(.., |old| Arc::strong_count(old) == 1).collect();
        drop(free);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_counts_generations_and_readers_keep_what_they_hold() {
        let published = Published::default();
        let held = published.current();
        published.publish(Snapshot::default());
        assert_eq!((held.generation, published.current().generation), (0, 1));
    }

    #[test]
    fn a_retired_snapshot_is_not_freed_by_its_last_reader() {
        let published = Published::default();
        let held = published.current();
        let seen = Arc::downgrade(&held);
        published.publish(Snapshot::default());
        published.free_retired();
        drop(held);
        assert!(seen.upgrade().is_some());
        published.free_retired();
        assert!(seen.upgrade().is_none());
    }
}
