//! A worker's access log: lines gathered in memory, written in batches.

use std::time::{Duration, Instant};

use super::{Level, Target};

/// How long a line may wait in memory.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// How many bytes are gathered before they are written without waiting.
const FLUSH_AT: usize = 32 * 1024;

/// The access log of one listener as one worker writes it.
///
/// Each worker has its own buffer over the shared [`Target`], so that no lock is on the way of a
/// request. Whole lines are written at once: lines of several workers never mix.
///
/// *Invariant*: a line is in the file at most [`FLUSH_AFTER`] after it was added, provided
/// [`AccessLog::tick`] is called at least that often; dropping the log writes the rest.
///
/// *Cost*: rendering into a warm buffer; one write per 32 KiB or second.
#[derive(Debug)]
pub struct AccessLog {
    target: Target,
    buffer: Vec<u8>,
    oldest: Option<Instant>,
}

impl AccessLog {
    /// An access log that writes to `target`.
    pub fn new(target: Target) -> AccessLog {
        AccessLog { target, buffer: Vec::new(), oldest: None }
    }

    /// Whether lines are wanted at all: with `off` the caller can skip rendering.
    pub fn is_off(&self) -> bool {
        self.target.is_off()
    }

    /// Adds one line: `render` appends it without the newline. `now` is the worker's coarse clock.
    pub fn add(&mut self, now: Instant, render: impl FnOnce(&mut Vec<u8>)) {
        if self.is_off() {
            return;
        }
        render(&mut self.buffer);
        self.buffer.push(b'\n');
        self.oldest.get_or_insert(now);
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    /// Writes what has waited long enough. To be called about once per second.
    pub fn tick(&mut self, now: Instant) {
        if self.oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) >= FLUSH_AFTER) {
            self.flush();
        }
    }

    /// Writes everything now: before a reopen, and when the worker drains.
    pub fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.target.append(Level::Info, &self.buffer);
            self.buffer.clear();
        }
        self.oldest = None;
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_a_second_or_for_enough_bytes() {
        let prefix = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(prefix.path().join("access.log")).unwrap();
        let mut log = AccessLog::new(Target::open("access.log", prefix.path()).unwrap());
        let start = Instant::now();

        log.add(start, |line| line.extend_from_slice(b"GET /"));
        log.tick(start + Duration::from_millis(900));
        assert_eq!(read(), "");
        log.tick(start + Duration::from_millis(1000));
        assert_eq!(read(), "GET /\n");

        log.add(start, |line| line.resize(line.len() + FLUSH_AT, b'x'));
        assert_eq!(read().len(), 6 + FLUSH_AT + 1);

        log.add(start, |line| line.extend_from_slice(b"last"));
        drop(log);
        assert!(read().ends_with("last\n"));
    }

    #[test]
    fn a_log_that_is_off_renders_nothing() {
        let mut log = AccessLog::new(Target::Off);
        log.add(Instant::now(), |_| panic!("rendered"));
    }
}
