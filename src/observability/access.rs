//! A worker's access log: lines gathered in memory, written in batches.

use std::time::Duration;

use super::{Level, Target};

/// How long a line may wait in memory: who looks into the file after a request finds it there.
pub const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// How many bytes are gathered before they are written without waiting.
const FLUSH_AT: usize = 32 * 1024;

/// The access log of one listener as one worker writes it.
///
/// Each worker has its own buffer over the shared [`Target`], so that no lock is on the way of a
/// request. Whole lines are written at once: lines of several workers never mix.
///
/// *Invariant*: a line is in the file when [`AccessLog::flush`] is called, [`FLUSH_AFTER`] after the first of a batch
/// was added; dropping the log writes the rest.
///
/// *Cost*: rendering into a warm buffer; one write per 32 KiB or [`FLUSH_AFTER`].
#[derive(Debug)]
pub struct AccessLog {
    target: Target,
    buffer: Vec<u8>,
}

impl AccessLog {
    /// An access log that writes to `target`.
    pub fn new(target: Target) -> AccessLog {
        AccessLog { target, buffer: Vec::new() }
    }

    /// Whether lines are wanted at all: with `off` the caller can skip rendering.
    pub fn is_off(&self) -> bool {
        self.target.is_off()
    }

    /// Adds one line: `render` appends it without the newline. Tells whether it is the first of a batch, which
    /// begins to wait.
    pub fn add(&mut self, render: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.is_off() {
            return false;
        }
        let begins = self.buffer.is_empty();
        render(&mut self.buffer);
        self.buffer.push(b'\n');
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
            return false;
        }
        begins
    }

    /// Writes everything now: when a batch has waited, before a reopen, and when the worker drains.
    pub fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.target.append(Level::Info, &self.buffer);
            self.buffer.clear();
        }
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
    fn lines_wait_for_the_end_of_their_batch_or_for_enough_bytes() {
        let prefix = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(prefix.path().join("access.log")).unwrap();
        let mut log = AccessLog::new(Target::open("access.log", prefix.path()).unwrap());

        assert!(log.add(|line| line.extend_from_slice(b"GET /")));
        assert!(!log.add(|line| line.extend_from_slice(b"PUT /")));
        assert_eq!(read(), "");
        log.flush();
        assert_eq!(read(), "GET /\nPUT /\n");

        assert!(!log.add(|line| line.resize(line.len() + FLUSH_AT, b'x')));
        assert_eq!(read().len(), 12 + FLUSH_AT + 1);

        assert!(log.add(|line| line.extend_from_slice(b"last")));
        drop(log);
        assert!(read().ends_with("last\n"));
    }

    #[test]
    fn a_log_that_is_off_renders_nothing() {
        let mut log = AccessLog::new(Target::Off);
        assert!(!log.add(|_| panic!("rendered")));
    }
}
