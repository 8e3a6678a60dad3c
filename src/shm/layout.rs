//! Where the parts of a dictionary begin; a pure function of its size.

use super::lock::LOCK_BYTES;
use super::slab::CLASSES;

/// Bytes of a page, the unit in which the slab hands out memory.
pub(super) const PAGE: usize = 4096;

/// Changes with every change of what the memory means.
pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"kongshm1");

/// Offset of the magic number (8 bytes).
pub(super) const MAGIC_AT: usize = 0;
/// Offset of the size the dictionary was declared with (8 bytes).
pub(super) const CAPACITY_AT: usize = 8;
/// Offset of the two hash seeds (2 × 8 bytes).
pub(super) const SEEDS_AT: usize = 16;
/// Offset of the mutex.
pub(super) const LOCK_AT: usize = 32;
/// Offset of the link to the most recently used entry.
pub(super) const NEWEST_AT: usize = LOCK_AT + LOCK_BYTES.next_multiple_of(8);
/// Offset of the link to the least recently used entry.
pub(super) const OLDEST_AT: usize = NEWEST_AT + 4;
/// Offset of the number of free pages (4 bytes).
pub(super) const FREE_PAGES_AT: usize = OLDEST_AT + 4;
/// Offset of the first free run of pages (page number + 1).
pub(super) const FREE_RUNS_AT: usize = FREE_PAGES_AT + 4;
/// Offset of the first page with room, for each size class (page number + 1).
pub(super) const PARTIAL_AT: usize = FREE_RUNS_AT + 4;
/// End of the header.
const HEADER: usize = (PARTIAL_AT + 4 * CLASSES.len()).next_multiple_of(64);

/// Bytes of a page descriptor.
pub(super) const DESCRIPTOR: usize = 16;

/// Smallest size that leaves room for entries.
const SMALLEST: usize = 3 * PAGE;
/// Largest size a link of 32 bits, counting in 8 bytes, can address.
const LARGEST: usize = 32 << 30;

/// The parts of a dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Number of hash buckets − 1; the number is a power of two.
    pub(super) bucket_mask: u32,
    /// Offset of the page descriptors.
    pub(super) descriptors_at: usize,
    /// Offset of the first page.
    pub(super) pages_at: usize,
    /// Number of pages.
    pub(super) pages: usize,
    /// Bytes of all.
    pub(super) len: usize,
}

impl Layout {
    /// Lays out a dictionary declared with `bytes`, all of its bookkeeping included in that size.
    ///
    /// About one bucket for 128 to 256 bytes: entries are seldom smaller than 96, so chains stay short.
    pub(super) fn of(bytes: usize) -> Option<Layout> {
        if !(SMALLEST..=LARGEST).contains(&bytes) {
            return None;
        }
        let len = bytes.next_multiple_of(PAGE);
        let buckets = (len / 256).next_power_of_two();
        let descriptors_at = HEADER + buckets * 4;
        let pages_at = (descriptors_at + len / PAGE * DESCRIPTOR).next_multiple_of(PAGE);
        Some(Layout {
            bucket_mask: u32::try_from(buckets - 1).ok()?,
            descriptors_at,
            pages_at,
            pages: (len - pages_at) / PAGE,
            len,
        })
    }

    /// Offset of the head of the chain for `hash`.
    pub(super) fn bucket_at(&self, hash: u32) -> usize {
        HEADER + (hash & self.bucket_mask) as usize * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_overlap_and_bookkeeping_stays_small() {
        for bytes in [12 << 10, 100_000, 1 << 20, 5 << 20, 12 << 20, 128 << 20, 3 << 30] {
            let layout = Layout::of(bytes).unwrap();
            assert_eq!(layout.bucket_at(layout.bucket_mask) + 4, layout.descriptors_at);
            assert!(layout.descriptors_at + layout.pages * DESCRIPTOR <= layout.pages_at);
            assert!(layout.pages_at + layout.pages * PAGE <= layout.len);
            assert!(layout.pages * PAGE >= bytes - bytes / 24 - PAGE * 2, "{bytes}: {layout:?}");
        }
    }

    #[test]
    fn sizes_beyond_the_bounds_are_refused() {
        assert!(Layout::of(8192).is_none());
        assert!(Layout::of(LARGEST + 1).is_none());
    }
}
