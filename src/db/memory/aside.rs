//! Events, locks and counters.

use std::collections::HashMap;

use crate::db::store::now;
use crate::db::{ClusterEvent, Counter, Lock};

/// What a store keeps besides entities.
#[derive(Debug, Default)]
pub(super) struct Aside {
    events: Vec<ClusterEvent>,
    /// Key → owner and end.
    locks: HashMap<String, (String, f64)>,
    /// Counter → value and end.
    counters: HashMap<Counter, (i64, f64)>,
}

impl Aside {
    pub(super) fn add_event(&mut self, event: ClusterEvent) {
        self.events.push(ClusterEvent { at: now(), ..event });
    }

    pub(super) fn events_since(&self, channels: &[&str], after: f64) -> (Vec<ClusterEvent>, f64) {
        let is_asked_for =
            |event: &&ClusterEvent| event.at > after && channels.contains(&event.channel.as_str());
        (self.events.iter().filter(is_asked_for).cloned().collect(), now())
    }

    pub(super) fn take_lock(&mut self, lock: Lock) -> bool {
        let is_held = self.locks.get(&lock.key).is_some_and(|(_, end)| *end > now());
        if !is_held {
            self.locks.insert(lock.key, (lock.owner, now() + lock.lifetime as f64));
        }
        !is_held
    }

    pub(super) fn lock_owner(&self, key: &str) -> Option<String> {
        self.locks.get(key).filter(|(_, end)| *end > now()).map(|(owner, _)| owner.clone())
    }

    pub(super) fn release_lock(&mut self, key: &str, owner: &str) {
        if self.locks.get(key).is_some_and(|(holder, _)| holder == owner) {
            self.locks.remove(key);
        }
    }

    pub(super) fn count(&mut self, counted: Vec<(Counter, i64, f64)>) {
        for (counter, more, lifetime) in counted {
            let entry = self.counters.entry(counter).or_insert((0, now() + lifetime));
            entry.0 += more;
        }
    }

    pub(super) fn counted(&self, counter: &Counter) -> Option<i64> {
        self.counters.get(counter).map(|(value, _)| *value)
    }

    pub(super) fn sweep(&mut self) -> u64 {
        let before = self.events.len() + self.locks.len() + self.counters.len();
        self.events.retain(|event| event.at + event.lifetime > now());
        self.locks.retain(|_, (_, end)| *end > now());
        self.counters.retain(|_, (_, end)| *end > now());
        (before - self.events.len() - self.locks.len() - self.counters.len()) as u64
    }
}
