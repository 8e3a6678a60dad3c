//! How long to wait before a failed worker process is replaced.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that are answered at once: whoever kills a process by hand sees no delay.
const AT_ONCE: u32 = 10;
/// The first delay; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(10);
/// A process that served for this long ends a row of failures.
const STEADY: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    served_since: Option<Instant>,
}

impl Backoff {
    /// A process began to serve.
    pub(super) fn served(&mut self, now: Instant) {
        self.served_since = Some(now);
    }

    /// A process failed, having served or not; returns how long to wait.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        if self.served_since.take().is_some_and(|since| now - since >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        match self.failures.checked_sub(AT_ONCE + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_after_ten_failures_in_a_row_up_to_a_bound() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let delays: Vec<u128> = (0..20).map(|_| backoff.failed(now).as_millis()).collect();
        assert_eq!(delays[..10], [0; 10]);
        assert_eq!(delays[10..], [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn a_process_that_served_for_long_ends_the_row() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..15 {
            backoff.failed(now);
        }
        backoff.served(now);
        assert!(backoff.failed(now + STEADY / 2) > Duration::ZERO);
        backoff.served(now);
        assert_eq!(backoff.failed(now + STEADY), Duration::ZERO);
    }
}
