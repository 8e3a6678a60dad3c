//! Memory for entries: pages cut into chunks of one size class, and runs of whole pages for what is larger.
//!
//! A page descriptor is four words: what the page is, one number, and two links of the list it stands in.
//! A free run writes its length into its first and its last descriptor, so that a neighbour that becomes free
//! finds and joins it.

use super::layout::{DESCRIPTOR, FREE_PAGES_AT, FREE_RUNS_AT, Layout, PAGE, PARTIAL_AT};
use super::region::Region;

/// Chunk sizes, in bytes. Above the last one whole pages are used.
///
/// Finer than powers of two: a counter's entry of 150 bytes takes 192, not 256.
pub(super) const CLASSES: [usize; 13] = [32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1344, 2048];

const FREE: u32 = 1;
const CHUNKS: u32 = 2;
const RUN: u32 = 3;

/// Words of a descriptor: state (kind, class, chunks in use), number (length of the run, or the first free
/// chunk), previous, next.
const STATE: usize = 0;
const NUMBER: usize = 4;
const PREVIOUS: usize = 8;
const NEXT: usize = 12;

/// The allocator of one dictionary. The dictionary's lock is held while one exists.
#[derive(Clone, Copy)]
pub(super) struct Slab<'a> {
    region: &'a Region,
    layout: &'a Layout,
}

impl<'a> Slab<'a> {
    pub(super) fn new(region: &'a Region, layout: &'a Layout) -> Slab<'a> {
        Slab { region, layout }
    }

    /// Makes all pages one free run. The header's words for free runs and partial pages are zero.
    pub(super) fn format(&self) {
        self.region.write32(FREE_PAGES_AT, 0);
        self.release_pages(0, self.layout.pages);
    }

    /// Bytes in pages that nothing uses.
    pub(super) fn free_bytes(&self) -> usize {
        self.region.read32(FREE_PAGES_AT) as usize * PAGE
    }

    /// Takes memory for `size` bytes; returns its offset.
    pub(super) fn allocate(&self, size: usize) -> Option<usize> {
        match CLASSES.iter().position(|chunk| size <= *chunk) {
            Some(class) => self.allocate_chunk(class),
            None => {
                let page = self.take_pages(size.div_ceil(PAGE))?;
                Some(self.layout.pages_at + page * PAGE)
            }
        }
    }

    /// Gives back what `allocate` returned.
    pub(super) fn release(&self, at: usize) {
        let page = self.page_of(at);
        match self.kind(page) {
            CHUNKS => self.release_chunk(page, at),
            RUN => self.release_pages(page, self.read(page, NUMBER) as usize),
            _ => debug_assert!(false, "released twice"),
        }
    }

    /// How many bytes fit where `at` points.
    pub(super) fn size_of(&self, at: usize) -> usize {
        let page = self.page_of(at);
        match self.kind(page) {
            CHUNKS => self.chunk_size(page),
            RUN => self.read(page, NUMBER) as usize * PAGE,
            _ => 0,
        }
    }

    fn allocate_chunk(&self, class: usize) -> Option<usize> {
        let page = match self.region.read32(PARTIAL_AT + 4 * class) {
            0 => self.cut_page(class)?,
            first => first as usize - 1,
        };
        let chunk = self.region.read_link(self.descriptor(page) + NUMBER);
        let rest = self.region.read_link(chunk);
        self.region.write_link(self.descriptor(page) + NUMBER, rest);
        self.write(page, STATE, self.read(page, STATE) + (1 << 16));
        if rest == 0 {
            self.unlink(PARTIAL_AT + 4 * class, page);
        }
        Some(chunk)
    }

    fn release_chunk(&self, page: usize, at: usize) {
        let state = self.read(page, STATE) - (1 << 16);
        let head = PARTIAL_AT + 4 * (state >> 8 & 0xff) as usize;
        let rest = self.region.read_link(self.descriptor(page) + NUMBER);
        self.region.write_link(at, rest);
        self.region.write_link(self.descriptor(page) + NUMBER, at);
        self.write(page, STATE, state);
        if rest == 0 {
            self.link(head, page);
        }
        if state >> 16 == 0 {
            self.unlink(head, page);
            self.release_pages(page, 1);
        }
    }

    /// Makes a free page one of chunks of `class`, each chunk pointing to the next.
    fn cut_page(&self, class: usize) -> Option<usize> {
        let page = self.take_pages(1)?;
        self.write(page, STATE, CHUNKS | (class as u32) << 8);
        let size = self.chunk_size(page);
        let start = self.layout.pages_at + page * PAGE;
        let last = start + (PAGE / size - 1) * size;
        for chunk in (start..last).step_by(size) {
            self.region.write_link(chunk, chunk + size);
        }
        self.region.write_link(last, 0);
        self.region.write_link(self.descriptor(page) + NUMBER, start);
        self.link(PARTIAL_AT + 4 * class, page);
        Some(page)
    }

    /// Takes the first free run that is long enough, and leaves its rest free.
    fn take_pages(&self, count: usize) -> Option<usize> {
        let mut candidate = self.region.read32(FREE_RUNS_AT) as usize;
        while candidate != 0 {
            let page = candidate - 1;
            let length = self.read(page, NUMBER) as usize;
            if length < count {
                candidate = self.read(page, NEXT) as usize;
                continue;
            }
            self.unlink(FREE_RUNS_AT, page);
            if length > count {
                self.mark_free(page + count, length - count);
            }
            self.write(page + count - 1, STATE, RUN);
            self.write(page, STATE, RUN);
            self.write(page, NUMBER, count as u32);
            self.count_free(0, count);
            return Some(page);
        }
        None
    }

    /// Makes pages free again, joined with the free runs before and after them.
    fn release_pages(&self, page: usize, count: usize) {
        let (mut first, mut length) = (page, count);
        self.count_free(count, 0);
        if page + count < self.layout.pages && self.kind(page + count) == FREE {
            length += self.read(page + count, NUMBER) as usize;
            self.unlink(FREE_RUNS_AT, page + count);
        }
        if page > 0 && self.kind(page - 1) == FREE {
            let before = self.read(page - 1, NUMBER) as usize;
            first = page - before;
            length += before;
            self.unlink(FREE_RUNS_AT, first);
        }
        self.mark_free(first, length);
    }

    fn mark_free(&self, page: usize, length: usize) {
        for end in [page, page + length - 1] {
            self.write(end, STATE, FREE);
            self.write(end, NUMBER, length as u32);
        }
        self.link(FREE_RUNS_AT, page);
    }

    fn count_free(&self, freed: usize, taken: usize) {
        let free = self.region.read32(FREE_PAGES_AT) as usize + freed;
        self.region.write32(FREE_PAGES_AT, free.saturating_sub(taken) as u32);
    }

    /// Puts a page first in the list whose head is stored at `head`.
    fn link(&self, head: usize, page: usize) {
        let next = self.region.read32(head);
        self.write(page, PREVIOUS, 0);
        self.write(page, NEXT, next);
        if next != 0 {
            self.write(next as usize - 1, PREVIOUS, page as u32 + 1);
        }
        self.region.write32(head, page as u32 + 1);
    }

    fn unlink(&self, head: usize, page: usize) {
        let (previous, next) = (self.read(page, PREVIOUS), self.read(page, NEXT));
        match previous {
            0 => self.region.write32(head, next),
            _ => self.write(previous as usize - 1, NEXT, next),
        }
        if next != 0 {
            self.write(next as usize - 1, PREVIOUS, previous);
        }
    }

    fn kind(&self, page: usize) -> u32 {
        self.read(page, STATE) & 0xff
    }

    fn chunk_size(&self, page: usize) -> usize {
        CLASSES.get((self.read(page, STATE) >> 8 & 0xff) as usize).copied().unwrap_or(PAGE)
    }

    fn page_of(&self, at: usize) -> usize {
        at.saturating_sub(self.layout.pages_at) / PAGE
    }

    fn descriptor(&self, page: usize) -> usize {
        self.layout.descriptors_at + page * DESCRIPTOR
    }

    fn read(&self, page: usize, word: usize) -> u32 {
        self.region.read32(self.descriptor(page) + word)
    }

    fn write(&self, page: usize, word: usize, value: u32) {
        self.region.write32(self.descriptor(page) + word, value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn with_slab(bytes: usize, test: impl FnOnce(Slab<'_>, &Region, &Layout)) {
        let layout = Layout::of(bytes).unwrap();
        let region = Region::create("slab", layout.len).unwrap();
        let slab = Slab::new(&region, &layout);
        slab.format();
        test(slab, &region, &layout);
    }

    #[test]
    fn everything_released_is_one_free_run_again() {
        with_slab(1 << 20, |slab, _, layout| {
            let taken: Vec<usize> = (1..400).filter_map(|n| slab.allocate(n * 37 % 9000 + 1)).collect();
            assert!(slab.free_bytes() < layout.pages * PAGE);
            taken.iter().for_each(|at| slab.release(*at));
            assert_eq!(slab.free_bytes(), layout.pages * PAGE);
            assert!(slab.allocate(layout.pages * PAGE).is_some());
        });
    }

    #[test]
    fn a_full_slab_says_so_and_recovers() {
        with_slab(64 << 10, |slab, _, _| {
            let mut taken: Vec<usize> = std::iter::from_fn(|| slab.allocate(100)).collect();
            assert!(taken.len() > 300);
            assert_eq!(slab.allocate(2048), None);
            slab.release(taken.pop().unwrap());
            assert!(slab.allocate(128).is_some());
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn live_allocations_never_overlap(steps in prop::collection::vec((any::<bool>(), 1usize..9000), 1..300)) {
            with_slab(256 << 10, |slab, _, layout| {
                let mut live: BTreeMap<usize, usize> = BTreeMap::new();
                for (take, size) in steps {
                    if take || live.is_empty() {
                        let Some(at) = slab.allocate(size) else { continue };
                        assert!(at >= layout.pages_at && at + size <= layout.len && slab.size_of(at) >= size);
                        if let Some((before, length)) = live.range(..=at).next_back() {
                            assert!(before + length <= at);
                        }
                        if let Some((after, _)) = live.range(at..).next() {
                            assert!(at + size <= *after);
                        }
                        live.insert(at, size);
                    } else {
                        let at = *live.keys().nth(size % live.len()).unwrap();
                        live.remove(&at);
                        slab.release(at);
                    }
                }
                live.keys().for_each(|at| slab.release(*at));
                assert_eq!(slab.free_bytes(), layout.pages * PAGE);
            });
        }
    }
}
