//! Which keys have been invalidated, for VMs that hold copies.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many invalidations are remembered; a VM that missed more drops everything.
const REMEMBERED: usize = 4096;

static SEQUENCE: AtomicU64 = AtomicU64::new(0);
static KEYS: Mutex<VecDeque<(u64, Arc<str>)>> = Mutex::new(VecDeque::new());

/// The number of the last invalidation.
///
/// *Cost*: one atomic load, so that it can be asked at every look-up.
pub fn sequence() -> u64 {
    SEQUENCE.load(Ordering::Acquire)
}

/// Makes every VM of the process drop its copy of a key.
pub fn invalidate(key: &str) {
    let mut keys = KEYS.lock();
    let number = SEQUENCE.load(Ordering::Relaxed) + 1;
    keys.push_back((number, key.into()));
    if keys.len() > REMEMBERED {
        keys.pop_front();
    }
    SEQUENCE.store(number, Ordering::Release);
}

/// Makes every VM of the process drop all its copies.
pub fn invalidate_all() {
    let mut keys = KEYS.lock();
    keys.clear();
    SEQUENCE.fetch_add(1, Ordering::Release);
}

/// What a VM has to drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// Its copies of these keys.
    Keys(Vec<Arc<str>>),
    /// All of them.
    Everything,
}

/// What was invalidated after the number `seen`, and the number to remember.
pub fn missed(seen: u64) -> (Missed, u64) {
    let keys = KEYS.lock();
    let now = SEQUENCE.load(Ordering::Relaxed);
    let newer: Vec<Arc<str>> =
        keys.iter().filter(|(number, _)| *number > seen).map(|(_, key)| key.clone()).collect();
    let missed =
        if newer.len() as u64 == now.saturating_sub(seen) { Missed::Keys(newer) } else { Missed::Everything };
    (missed, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, since the numbers are those of the process.
    #[test]
    fn a_vm_learns_what_it_missed_or_that_it_missed_too_much() {
        let seen = sequence();
        invalidate("a");
        invalidate("b");
        let (what, now) = missed(seen);
        assert_eq!(what, Missed::Keys(vec!["a".into(), "b".into()]));
        assert_eq!(missed(now).0, Missed::Keys(vec![]));
        invalidate_all();
        assert_eq!(missed(now).0, Missed::Everything);
        let seen = sequence();
        for number in 0..REMEMBERED + 1 {
            invalidate(&number.to_string());
        }
        assert_eq!(missed(seen).0, Missed::Everything);
    }
}
