//! Plans in the VM: which number stands for which plan of which generation.

use crate::snapshot::{Plan, Snapshot};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The plans that stand in the VM.
#[derive(Debug, Default)]
pub(super) struct PlanNumbers {
    generations: RefCell<Vec<Generation>>,
    last: Cell<u32>,
}

#[derive(Debug)]
struct Generation {
    snapshot: Weak<Snapshot>,
    address: *const Snapshot,
    /// By the address of the plan, which the snapshot keeps in place.
    numbers: HashMap<*const Plan, u32>,
}

impl PlanNumbers {
    /// The number of a plan that has been made.
    ///
    /// *Cost*: a comparison and a hash look-up.
    pub(super) fn find(&self, snapshot: &Arc<Snapshot>, plan: &Arc<Plan>) -> Option<u32> {
        let generations = self.generations.borrow();
        let generation = generations.iter().rev().find(|g| g.address == Arc::as_ptr(snapshot))?;
        generation.numbers.get(&Arc::as_ptr(plan)).copied()
    }

    /// A number for a plan that is being made.
    pub(super) fn assign(&self, snapshot: &Arc<Snapshot>, plan: &Arc<Plan>) -> u32 {
        let number = self.last.get().wrapping_add(1).max(1);
        self.last.set(number);
        let mut generations = self.generations.borrow_mut();
        if !generations.iter().any(|g| g.address == Arc::as_ptr(snapshot)) {
            generations.push(Generation {
                snapshot: Arc::downgrade(snapshot),
                address: Arc::as_ptr(snapshot),
                numbers: HashMap::new(),
            });
        }
        let mine = generations.iter_mut().find(|g| g.address == Arc::as_ptr(snapshot));
        if let Some(generation) = mine {
            generation.numbers.insert(Arc::as_ptr(plan), number);
        }
        number
    }

    /// Whether this snapshot has no plan yet.
    pub(super) fn is_new(&self, snapshot: &Arc<Snapshot>) -> bool {
        !self.generations.borrow().iter().any(|g| g.address == Arc::as_ptr(snapshot))
    }

    /// Takes out the numbers of generations that no request holds any more.
    pub(super) fn expired(&self) -> Vec<u32> {
        let mut gone = Vec::new();
        self.generations.borrow_mut().retain(|generation| {
            let alive = generation.snapshot.strong_count() > 0;
            if !alive {
                gone.extend(generation.numbers.values());
            }
            alive
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_live_as_long_as_their_generation() {
        let numbers = PlanNumbers::default();
        let (one, two) = (Arc::new(Snapshot::default()), Arc::new(Snapshot::default()));
        let (first, second) = (Arc::<Plan>::default(), Arc::<Plan>::default());
        let a = numbers.assign(&one, &first);
        let b = numbers.assign(&one, &second);
        assert_ne!(a, b);
        assert_eq!(numbers.find(&one, &second), Some(b));
        assert_eq!(numbers.find(&two, &second), None);
        assert!(numbers.expired().is_empty());
        drop(one);
        let mut expired = numbers.expired();
        expired.sort_unstable();
        assert_eq!(expired, [a, b]);
        assert!(numbers.is_new(&two));
    }
}
