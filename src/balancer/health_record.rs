//! Which addresses are down, where the next worker process finds it.
//!
//! Counters begin anew with a process; what they led to does not. It stands in a shared dictionary, which outlives a
//! reload and a crash.

use std::sync::Arc;

use crate::shm::{Dict, Value};

/// The place of one address in the dictionary: there while the address is down.
///
/// *Cost*: the dictionary is locked when the state changes, not when outcomes are counted.
#[derive(Debug)]
pub(super) struct HealthRecord {
    dict: Arc<Dict>,
    key: String,
}

impl HealthRecord {
    pub(super) fn new(dict: Arc<Dict>, key: String) -> HealthRecord {
        HealthRecord { dict, key }
    }

    /// Whether the address was down when that was last written.
    pub(super) fn is_down(&self) -> bool {
        self.dict.get(self.key.as_bytes(), &mut Vec::new()).is_ok_and(|found| found.is_some())
    }

    /// Writes the state. A dictionary that is full forgets what was written longest ago.
    pub(super) fn write(&self, is_available: bool) {
        let value = if is_available { Value::Nil } else { Value::Boolean(true) };
        self.dict.set(self.key.as_bytes(), value, 0, 0);
    }
}
