//! Which keys are being loaded: the first asks the source, the others wait for its answer.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use tokio::sync::watch;

static FLIGHTS: LazyLock<Mutex<HashMap<Arc<str>, watch::Receiver<()>>>> = LazyLock::new(Mutex::default);

/// What came of asking to load a key.
#[derive(Debug)]
pub enum Flight {
    /// Nobody loads it: the caller does, and drops this when the value stands in the cache.
    Mine(Landing),
    /// Another worker or request loads it; wait for it, then look again.
    Other(watch::Receiver<()>),
}

/// The right to load a key; dropping it wakes those who wait, whatever came of it.
#[derive(Debug)]
pub struct Landing {
    key: Arc<str>,
    _done: watch::Sender<()>,
}

/// Asks to load a key.
pub fn board(key: &str) -> Flight {
    let mut flights = FLIGHTS.lock();
    if let Some(other) = flights.get(key) {
        return Flight::Other(other.clone());
    }
    let (done, wait) = watch::channel(());
    let key: Arc<str> = key.into();
    flights.insert(key.clone(), wait);
    Flight::Mine(Landing { key, _done: done })
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Before the sender goes: who wakes must not find this flight again.
        FLIGHTS.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_until_the_first_has_landed() {
        let Flight::Mine(landing) = board("flights test") else { panic!("somebody else loads") };
        let Flight::Other(mut wait) = board("flights test") else { panic!("loaded twice") };
        assert!(wait.has_changed().is_ok());
        drop(landing);
        assert!(wait.changed().await.is_err(), "the sender is gone");
        assert!(matches!(board("flights test"), Flight::Mine(_)));
    }
}
