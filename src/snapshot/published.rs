//! The one pointer that requests read their snapshot through.

use super::Snapshot;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The snapshot in force, swapped whole.
///
/// *Invariant*: there is one per worker process; every generation published is greater than the last.
#[derive(Debug, Default)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    generation: AtomicU64,
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

    /// Puts a snapshot in force and returns the one it replaces.
    pub fn publish(&self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        snapshot.generation = self.generation.load(Ordering::Acquire) + 1;
        let generation = snapshot.generation;
        let old = self.current.swap(Arc::new(snapshot));
        self.generation.store(generation, Ordering::Release);
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
