//! Byte buffers of this worker, lent to connections while they are busy.
//!
//! A connection that waits for its next request owns no buffer: thousands of idle clients cost what
//! their sockets cost. Steady load takes and gives the same few buffers and allocates nothing.

use std::cell::RefCell;

/// Room of a fresh buffer: a usual head and a small body.
pub const USUAL: usize = 8 * 1024;
/// Room of a buffer that relays a large body.
pub const LARGE: usize = 64 * 1024;
/// Buffers kept for later, each of the usual size or a little more.
const KEPT: usize = 384;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`USUAL`] bytes.
pub fn take() -> Vec<u8> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(USUAL))
}

/// Gives a buffer back; one that grew is freed.
pub fn give(mut buffer: Vec<u8>) {
    if !(USUAL..=2 * USUAL).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT {
            free.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_given_back_is_lent_again_empty() {
        let mut buffer = take();
        buffer.extend_from_slice(b"secret");
        let at = buffer.as_ptr();
        give(buffer);
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
    }

    #[test]
    fn a_buffer_that_grew_is_not_kept() {
        let before = FREE.with_borrow(Vec::len);
        give(Vec::with_capacity(LARGE));
        give(Vec::new());
        assert_eq!(FREE.with_borrow(Vec::len), before);
    }
}
