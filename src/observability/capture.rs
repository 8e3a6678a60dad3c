//! Lines of the error log that Lua code may have as well: nginx's `lua_capture_error_log`.
//!
//! Each worker keeps the lines of its own thread and hands them out once, the oldest first. The lines of other
//! threads of the process are for whoever asks first.
//!
//! *Cost*: one relaxed load a line while nothing is captured.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::Level;

/// Bytes that a line takes in the store besides its own: nginx's.
const OVERHEAD: usize = 16;

/// A captured line.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// Its level.
    pub level: Level,
    /// When it was written, in seconds since 1970.
    pub time: f64,
    /// The line without its end.
    pub line: Vec<u8>,
}

/// Lines, the oldest of which give way to new ones.
#[derive(Debug, Default)]
struct Store {
    lines: VecDeque<Captured>,
    bytes: usize,
}

static SIZE: AtomicUsize = AtomicUsize::new(0);
static LEAST: AtomicU8 = AtomicU8::new(Level::Debug as u8);
static OTHERS: Mutex<Store> = Mutex::new(Store { lines: VecDeque::new(), bytes: 0 });

thread_local! {
    /// What a thread that runs plugins has captured; none for other threads.
    static OWN: RefCell<Option<Store>> = const { RefCell::new(None) };
}

impl Store {
    fn add(&mut self, captured: Captured, size: usize) {
        let taken = captured.line.len() + OVERHEAD;
        if taken > size {
            return;
        }
        while self.bytes + taken > size {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.line.len() + OVERHEAD);
        }
        self.bytes += taken;
        self.lines.push_back(captured);
    }

    fn take(&mut self, most: usize, into: &mut Vec<Captured>) {
        while into.len() < most {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.line.len() + OVERHEAD);
            into.push(oldest);
        }
    }
}

/// Captures lines from now on, up to `size` bytes of them for each worker; zero captures none.
pub fn begin(size: usize) {
    SIZE.store(size, Ordering::Relaxed);
}

/// Keeps the lines of this thread apart from those of others.
pub fn separate_thread() {
    OWN.with_borrow_mut(|own| {
        own.get_or_insert_default();
    });
}

/// Whether lines are captured.
pub fn is_on() -> bool {
    SIZE.load(Ordering::Relaxed) > 0
}

/// Captures lines of this level and more severe ones only.
pub fn set_least(level: Level) {
    LEAST.store(level as u8, Ordering::Relaxed);
}

/// Takes the oldest lines of this thread, then those of threads that have no store of their own: `most` at most.
pub fn take(most: usize) -> Vec<Captured> {
    let mut taken = Vec::new();
    OWN.with_borrow_mut(|own| {
        if let Some(own) = own {
            own.take(most, &mut taken);
        }
    });
    if let Ok(mut others) = OTHERS.lock() {
        others.take(most, &mut taken);
    }
    taken
}

/// Notes a line that was written.
#[inline]
pub(super) fn note(level: Level, line: &[u8]) {
    let size = SIZE.load(Ordering::Relaxed);
    if size > 0 && level as u8 <= LEAST.load(Ordering::Relaxed) {
        keep(level, line, size);
    }
}

fn keep(level: Level, line: &[u8], size: usize) {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let line = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    let time = time.as_millis() as f64 / 1000.0;
    let captured = Captured { level, time, line };
    // A line of a thread that ends, or that is written while lines are taken, goes to those of others.
    let mut captured = Some(captured);
    let _ = OWN.try_with(|own| {
        if let Ok(mut own) = own.try_borrow_mut()
            && let Some(own) = own.as_mut()
            && let Some(captured) = captured.take()
        {
            own.add(captured, size);
        }
    });
    if let (Some(captured), Ok(mut others)) = (captured, OTHERS.lock()) {
        others.add(captured, size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Captured {
        Captured { level: Level::Error, time: 0.0, line: text.into() }
    }

    #[test]
    fn the_oldest_lines_give_way_and_one_that_is_too_long_is_left_out() {
        let mut store = Store::default();
        let size = 3 * (OVERHEAD + 1);
        for text in ["1", "2", "3", "4"] {
            store.add(line(text), size);
        }
        store.add(line(&"x".repeat(size)), size);
        let mut taken = Vec::new();
        store.take(2, &mut taken);
        assert_eq!(taken, [line("2"), line("3")]);
        store.take(9, &mut taken);
        assert_eq!(taken.len(), 3);
        assert_eq!(store.bytes, 0);
    }
}
