//! Plans in the VM: which number stands for which plan of which generation.

use crate::db::Entity;
use crate::snapshot::{Plan, Snapshot};
use foldhash::fast::RandomState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

/// The plans that stand in the VM.
///
/// A change of the configuration leaves most plans as they are: those that say the same have one number, over
/// generations and routes.
#[derive(Debug, Default)]
pub(super) struct PlanNumbers {
    generations: RefCell<Vec<Generation>>,
    made: RefCell<HashMap<Content, Made>>,
    last: Cell<u32>,
}

#[derive(Debug)]
struct Generation {
    snapshot: Weak<Snapshot>,
    address: *const Snapshot,
    /// By the address of the plan, which the snapshot keeps in place.
    numbers: HashMap<*const Plan, u32, RandomState>,
}

/// A plan that stands in the VM.
#[derive(Debug)]
struct Made {
    number: u32,
    /// How many plans of living generations have this number.
    uses: usize,
}

/// What a plan says: its steps in order.
pub(super) type Content = Vec<StepContent>;

/// What a step says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StepContent {
    /// The number of the plugin.
    pub(super) kind: i64,
    /// The instance that runs while no consumer is known.
    pub(super) instance: Option<Instance>,
    /// Whether a consumer may bring another.
    pub(super) by_consumer: bool,
}

/// A plugin instance as it is configured: another one as soon as anything about it changes.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// Kept, so that its address stays taken.
    pub(super) entity: Arc<Entity>,
    /// The generation in which secrets it refers to were looked up; zero where there are none.
    pub(super) secrets: u64,
}

impl PartialEq for Instance {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entity, &other.entity) && self.secrets == other.secrets
    }
}

impl Eq for Instance {}

impl Hash for Instance {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.entity), self.secrets).hash(state);
    }
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

    /// A number for a plan, and whether it is a new one, which has to be made.
    pub(super) fn assign(&self, snapshot: &Arc<Snapshot>, plan: &Arc<Plan>, content: Content) -> (u32, bool) {
        let mut made = self.made.borrow_mut();
        let known = made.entry(content).or_insert_with(|| Made { number: self.next(), uses: 0 });
        let is_new = known.uses == 0;
        let mut generations = self.generations.borrow_mut();
        if !generations.iter().any(|g| g.address == Arc::as_ptr(snapshot)) {
            generations.push(Generation {
                snapshot: Arc::downgrade(snapshot),
                address: Arc::as_ptr(snapshot),
                numbers: HashMap::default(),
            });
        }
        let mine = generations.iter_mut().find(|g| g.address == Arc::as_ptr(snapshot));
        if let Some(generation) = mine
            && generation.numbers.insert(Arc::as_ptr(plan), known.number).is_none()
        {
            known.uses += 1;
        }
        (known.number, is_new)
    }

    fn next(&self) -> u32 {
        let number = self.last.get().wrapping_add(1).max(1);
        self.last.set(number);
        number
    }

    /// Takes out the numbers of plans that no request can run any more.
    pub(super) fn expired(&self) -> Vec<u32> {
        let mut unused: HashMap<u32, usize> = HashMap::new();
        self.generations.borrow_mut().retain(|generation| {
            let alive = generation.snapshot.strong_count() > 0;
            if !alive {
                generation.numbers.values().for_each(|number| *unused.entry(*number).or_default() += 1);
            }
            alive
        });
        if unused.is_empty() {
            return Vec::new();
        }
        let mut made = self.made.borrow_mut();
        let gone = made.extract_if(|_, made| {
            made.uses -= unused.get(&made.number).copied().unwrap_or(0).min(made.uses);
            made.uses == 0
        });
        gone.map(|(_, made)| made.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(entity: &Arc<Entity>) -> Content {
        let instance = Some(Instance { entity: entity.clone(), secrets: 0 });
        vec![StepContent { kind: 1, instance, by_consumer: false }]
    }

    #[test]
    fn numbers_live_as_long_as_their_generation() {
        let numbers = PlanNumbers::default();
        let (one, two) = (Arc::new(Snapshot::default()), Arc::new(Snapshot::default()));
        let (first, second) = (Arc::<Plan>::default(), Arc::<Plan>::default());
        let (a, a_is_new) = numbers.assign(&one, &first, content(&Arc::default()));
        let (b, b_is_new) = numbers.assign(&one, &second, content(&Arc::default()));
        assert!(a != b && a_is_new && b_is_new);
        assert_eq!(numbers.find(&one, &second), Some(b));
        assert_eq!(numbers.find(&two, &second), None);
        assert!(numbers.expired().is_empty());
        drop(one);
        let mut expired = numbers.expired();
        expired.sort_unstable();
        assert_eq!(expired, [a, b]);
    }

    #[test]
    fn plans_that_say_the_same_share_a_number_until_the_last_of_them_is_gone() {
        let numbers = PlanNumbers::default();
        let (one, two) = (Arc::new(Snapshot::default()), Arc::new(Snapshot::default()));
        let plans = [Arc::<Plan>::default(), Arc::default(), Arc::default()];
        let (entity, changed) = (Arc::<Entity>::default(), Arc::<Entity>::default());
        let (number, _) = numbers.assign(&one, &plans[0], content(&entity));
        assert_eq!(numbers.assign(&one, &plans[1], content(&entity)), (number, false));
        assert_eq!(numbers.assign(&two, &plans[2], content(&entity)), (number, false));
        assert_ne!(numbers.assign(&one, &plans[2], content(&changed)).0, number);
        drop(one);
        assert_eq!(numbers.expired().len(), 1);
        drop(two);
        assert_eq!(numbers.expired(), [number]);
    }
}
