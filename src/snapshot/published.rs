//! The one pointer that requests read their snapshot through.

use super::Snapshot;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The snapshot in force, swapped whole.
///
/// *Invariant*: there is one per worker process; every generation published is greater than the last.
#[derive(Debug)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    generation: AtomicU64,
    changes: watch::Sender<u64>,
}

impl Default for Published {
    fn default() -> Self {
        Published {
            current: ArcSwap::default(),
            generation: AtomicU64::new(0),
            changes: watch::Sender::new(0),
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

    /// Tells each generation published from now on, or the newest when several came at once.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts a snapshot in force and returns the one it replaces.
    pub fn publish(&self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        let generation = self.generation() + 1;
        snapshot.generation = generation;
        let old = self.current.swap(Arc::new(snapshot));
        self.generation.store(generation, Ordering::Release);
        self.changes.send_replace(generation);
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_counts_generations_and_readers_keep_what_they_hold() {
        let published = Published::default();
        let held = published.current();
        let old = published.publish(Snapshot::default());
        assert_eq!((held.generation, old.generation, published.current().generation), (0, 0, 1));
    }
}
