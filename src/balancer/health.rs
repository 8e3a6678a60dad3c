//! Health of addresses, counted by all workers together.
//!
//! Responses and probes are counted as successes or failures. So many failures of one kind in a row
//! make an address unavailable, so many successes in a row make it available again.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use uuid::Uuid;

use super::health_record::HealthRecord;
use crate::shm::Dict;

/// The thresholds of passive or active health checks; 0 never reaches a threshold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    /// Statuses that count as success.
    pub healthy_statuses: Vec<u16>,
    /// Successes that make an address available.
    pub successes: u8,
    /// Statuses that count as failure.
    pub unhealthy_statuses: Vec<u16>,
    /// Failures by status that make an address unavailable.
    pub http_failures: u8,
    /// Failed connections that make an address unavailable.
    pub tcp_failures: u8,
    /// Timeouts that make an address unavailable.
    pub timeouts: u8,
}

/// How an exchange with an address ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A response.
    Status(u16),
    /// No connection, or one that broke.
    TcpFailure,
    /// No response in time.
    Timeout,
    /// A connection was all that was asked for.
    Connected,
}

/// What is counted, as the position of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    Success = 0,
    HttpFailure = 1,
    TcpFailure = 2,
    Timeout = 3,
}

/// An outcome that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    counter: Counter,
    number: u8,
    limit: u8,
    /// Whether the availability of the address changed.
    pub changed: bool,
}

impl fmt::Display for Counted {
    /// *Kong parity*: the words of lua-resty-healthcheck.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, name) = match self.counter {
            Counter::Success => ("healthy", "SUCCESS"),
            Counter::HttpFailure => ("unhealthy", "HTTP"),
            Counter::TcpFailure => ("unhealthy", "TCP"),
            Counter::Timeout => ("unhealthy", "TIMEOUT"),
        };
        write!(f, "{report} {name} increment ({}/{})", self.number, self.limit)
    }
}

/// The health of one address: four counters of eight bits, and whether it is down.
#[derive(Debug, Default)]
pub struct Health {
    word: AtomicU64,
    record: Option<HealthRecord>,
}

/// Set while the address is unavailable.
const DOWN: u64 = 1 << 32;
const SUCCESSES: u64 = 0xff;
const FAILURES: u64 = 0xffff_ff00;

impl Health {
    /// An address that is as well as its record says.
    fn recorded(record: Option<HealthRecord>) -> Health {
        let down = record.as_ref().is_some_and(HealthRecord::is_down);
        Health { word: AtomicU64::new(if down { DOWN } else { 0 }), record }
    }

    /// Whether requests may go there.
    pub fn is_available(&self) -> bool {
        self.word.load(Ordering::Relaxed) & DOWN == 0
    }

    /// Sets the state and forgets what was counted; whether that changed anything.
    pub fn set_available(&self, available: bool) -> bool {
        let word = if available { 0 } else { DOWN };
        let changed = self.word.swap(word, Ordering::Relaxed) & DOWN != word;
        if changed {
            self.write_down();
        }
        changed
    }

    fn write_down(&self) {
        if let Some(record) = &self.record {
            record.write(self.is_available());
        }
    }

    /// Counts an outcome; `None` when it does not count.
    ///
    /// *Kong parity*: successes are not counted while the address is all well, nor failures while it
    /// is down; a success forgets failures, a failure forgets successes.
    pub fn report(&self, outcome: Outcome, checks: &Checks) -> Option<Counted> {
        let (counter, limit) = checks.counter(outcome)?;
        if limit == 0 {
            return None;
        }
        let count = |word: u64| Self::count(word, counter, limit);
        let before = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).ok()?;
        let kept = before & if counter == Counter::Success { SUCCESSES } else { FAILURES };
        let number = ((kept >> (counter as u32 * 8)) & 0xff) as u8 + 1;
        let changed = count(before).is_some_and(|after| (before ^ after) & DOWN != 0);
        if changed {
            self.write_down();
        }
        Some(Counted { counter, number, limit, changed })
    }

    /// The word after one more of `counter`, if that counts.
    fn count(word: u64, counter: Counter, limit: u8) -> Option<u64> {
        let success = counter == Counter::Success;
        let down = word & DOWN != 0;
        let settled = if success { !down && word & FAILURES == 0 } else { down && word & SUCCESSES == 0 };
        if settled {
            return None;
        }
        let kept = word & (DOWN | if success { SUCCESSES } else { FAILURES });
        let shift = counter as u32 * 8;
        let number = ((kept >> shift) & 0xff) + 1;
        if number >= u64::from(limit) {
            return Some(if success { 0 } else { DOWN });
        }
        Some(kept & !(0xff << shift) | number << shift)
    }
}

impl Checks {
    /// Which counter an outcome counts towards, and how far.
    fn counter(&self, outcome: Outcome) -> Option<(Counter, u8)> {
        Some(match outcome {
            Outcome::Timeout => (Counter::Timeout, self.timeouts),
            Outcome::TcpFailure => (Counter::TcpFailure, self.tcp_failures),
            Outcome::Connected => (Counter::Success, self.successes),
            Outcome::Status(status) if self.healthy_statuses.contains(&status) => {
                (Counter::Success, self.successes)
            }
            Outcome::Status(status) if status == 0 || self.unhealthy_statuses.contains(&status) => {
                (Counter::HttpFailure, self.http_failures)
            }
            Outcome::Status(_) => return None,
        })
    }
}

/// With so many addresses those that nobody uses and that are well are forgotten.
const PRUNE_AT: usize = 1024;

/// The health of all addresses of an upstream.
#[derive(Debug, Default)]
pub struct HealthBoard {
    upstream: Uuid,
    dict: Option<Arc<Dict>>,
    addresses: Mutex<HashMap<String, Arc<Health>>>,
    version: AtomicU64,
}

impl HealthBoard {
    /// The health of the address `ip:port` of the target `host`; new ones are well, unless a process before this one
    /// found them down.
    pub fn health(&self, host: &str, ip: &str, port: u16) -> Arc<Health> {
        let key = format!("{host} {ip}:{port}");
        let mut addresses = self.addresses.lock();
        if addresses.len() >= PRUNE_AT && !addresses.contains_key(&key) {
            addresses.retain(|_, health| Arc::strong_count(health) > 1 || !health.is_available());
        }
        let record = |key: &String| {
            self.dict.clone().map(|dict| HealthRecord::new(dict, format!("{} {key}", self.upstream)))
        };
        let new = |key: &String| Arc::new(Health::recorded(record(key)));
        addresses.entry(key).or_insert_with_key(new).clone()
    }

    /// Has all addresses of a target that is gone be well, should it come again.
    pub(super) fn forget(&self, host: &str, port: u16) {
        let (begin, end) = (format!("{host} "), format!(":{port}"));
        let addresses = self.addresses.lock();
        let meant = addresses.iter().filter(|(key, _)| key.starts_with(&begin) && key.ends_with(&end));
        if meant.filter(|(_, health)| health.set_available(true)).count() > 0 {
            self.announce_change();
        }
    }

    /// Tells all workers that some availability changed.
    pub fn announce_change(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// The health boards of all upstreams; one value for all workers.
#[derive(Debug, Default)]
pub struct HealthBoards {
    boards: Mutex<HashMap<Uuid, Arc<HealthBoard>>>,
    dict: OnceLock<Arc<Dict>>,
}

impl HealthBoards {
    /// Has boards that are made from now on keep in `dict` which addresses are down, and begin with what is there.
    /// Only the first call counts.
    pub fn record_in(&self, dict: Option<&Arc<Dict>>) {
        if let Some(dict) = dict {
            self.dict.get_or_init(|| dict.clone());
        }
    }

    /// The board of an upstream, made when first asked for.
    pub fn board(&self, upstream: Uuid) -> Arc<HealthBoard> {
        let new = || Arc::new(HealthBoard { upstream, dict: self.dict.get().cloned(), ..Default::default() });
        self.boards.lock().entry(upstream).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Checks {
        Checks {
            healthy_statuses: vec![200],
            successes: 2,
            unhealthy_statuses: vec![500],
            http_failures: 3,
            tcp_failures: 2,
            timeouts: 0,
        }
    }

    #[test]
    fn failures_in_a_row_take_an_address_out_and_successes_bring_it_back() {
        let (health, checks) = (Health::default(), checks());
        let report = |outcome| {
            let counted = health.report(outcome, &checks);
            (counted.is_some_and(|counted| counted.changed), health.is_available())
        };
        assert_eq!(report(Outcome::Status(500)), (false, true));
        assert_eq!(report(Outcome::Status(500)), (false, true));
        assert_eq!(report(Outcome::Status(500)), (true, false));
        assert_eq!(report(Outcome::Status(500)), (false, false));
        assert_eq!(report(Outcome::Status(200)), (false, false));
        assert_eq!(report(Outcome::Status(404)), (false, false));
        assert_eq!(report(Outcome::Status(200)), (true, true));
    }

    #[test]
    fn a_success_forgets_failures_and_kinds_are_counted_apart() {
        let (health, checks) = (Health::default(), checks());
        for outcome in
            [Outcome::Status(500), Outcome::Status(500), Outcome::Status(200), Outcome::Status(500)]
        {
            assert!(health.report(outcome, &checks).is_some_and(|counted| !counted.changed));
        }
        let counted = health.report(Outcome::TcpFailure, &checks).unwrap();
        assert_eq!((counted.to_string().as_str(), counted.changed), ("unhealthy TCP increment (1/2)", false));
        let counted = health.report(Outcome::TcpFailure, &checks).unwrap();
        assert_eq!((counted.to_string().as_str(), counted.changed), ("unhealthy TCP increment (2/2)", true));
        assert!(!health.is_available());
    }

    #[test]
    fn a_threshold_of_zero_is_never_reached() {
        let (health, checks) = (Health::default(), checks());
        for _ in 0..300 {
            assert_eq!(health.report(Outcome::Timeout, &checks), None);
        }
        assert!(health.is_available());
    }

    #[test]
    fn addresses_that_come_and_go_are_forgotten_unless_they_are_down() {
        let board = HealthBoard::default();
        board.health("down", "10.0.0.1", 1).set_available(false);
        let used = board.health("used", "10.0.0.2", 1);
        for port in 0..5000 {
            board.health("gone", "10.0.0.3", port);
        }
        assert!(board.addresses.lock().len() <= PRUNE_AT + 1);
        assert!(!board.health("down", "10.0.0.1", 1).is_available());
        assert!(Arc::ptr_eq(&used, &board.health("used", "10.0.0.2", 1)));
    }

    #[test]
    fn what_is_down_is_down_in_the_next_process_until_its_target_is_removed() {
        let dict = Arc::new(Dict::create("health", 1 << 20).unwrap());
        let process = || {
            let boards = HealthBoards::default();
            boards.record_in(Some(&dict));
            boards.board(Uuid::nil())
        };
        let first = process();
        first.health("a", "10.0.0.1", 80).set_available(false);
        for _ in 0..3 {
            first.health("b", "10.0.0.1", 80).report(Outcome::Status(500), &checks());
        }
        let second = process();
        assert!(!second.health("a", "10.0.0.1", 80).is_available());
        assert!(!second.health("b", "10.0.0.1", 80).is_available());
        assert!(second.health("a", "10.0.0.1", 8080).is_available());
        second.forget("a", 80);
        assert!(second.health("a", "10.0.0.1", 80).is_available());
        let third = process();
        assert!(third.health("a", "10.0.0.1", 80).is_available());
        assert!(!third.health("b", "10.0.0.1", 80).is_available());
    }

    #[test]
    fn the_state_can_be_set_by_hand() {
        let health = Health::default();
        assert!(health.set_available(false));
        assert!(!health.set_available(false));
        assert!(health.set_available(true));
    }
}
