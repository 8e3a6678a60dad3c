//! Hash chains and the queue from the most to the least recently used entry.
//!
//! An entry enters its chain last and leaves it first: a chain leads only to whole entries at any instant, and
//! `salvage` needs nothing else.

use super::entry::{Entry, Tag};
use super::layout::{Layout, NEWEST_AT, OLDEST_AT, PAGE, SEEDS_AT};
use super::region::Region;
use super::slab::{CLASSES, Slab};

/// How many of the oldest entries may be evicted for one new one.
const EVICTIONS: usize = 30;
/// The same for an entry that fits into a chunk: by then a page of the smallest chunks has become free, if
/// the oldest entries are of another size.
const CHUNK_EVICTIONS: usize = PAGE / CLASSES[0] * 2;

/// How many of the oldest entries are looked at for expired ones before a live one is evicted.
const SWEEP: usize = 64;

/// A dictionary's content; exists only while the lock is held.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) region: &'a Region,
    pub(super) layout: &'a Layout,
    pub(super) slab: Slab<'a>,
    /// The dictionary's clock, in milliseconds.
    pub(super) now: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(region: &'a Region, layout: &'a Layout, now: u64) -> Table<'a> {
        Table { region, layout, slab: Slab::new(region, layout), now }
    }

    pub(super) fn entry(&self, at: usize) -> Option<Entry<'a>> {
        (at != 0).then_some(Entry { region: self.region, at })
    }

    /// Looks a key up without counting that as use.
    pub(super) fn peek(&self, key: &[u8]) -> Option<Entry<'a>> {
        let hash = hash(self.region, key);
        let mut next = self.region.read_link(self.layout.bucket_at(hash));
        while let Some(entry) = self.entry(next) {
            if entry.has_key(hash, key) {
                return Some(entry);
            }
            next = self.region.read_link(entry.chain_at());
        }
        None
    }

    /// Looks a key up and makes it the most recently used, also when it is expired.
    pub(super) fn find(&self, key: &[u8]) -> Option<Entry<'a>> {
        let entry = self.peek(key)?;
        self.touch(entry);
        Some(entry)
    }

    pub(super) fn is_expired(&self, entry: Entry<'_>) -> bool {
        let expires = entry.expires();
        expires != 0 && self.now > expires
    }

    /// When an entry stored now for `ttl` milliseconds expires; 0 is never, in both.
    pub(super) fn deadline(&self, ttl: u64) -> u64 {
        if ttl == 0 { 0 } else { self.now.saturating_add(ttl) }
    }

    pub(super) fn oldest(&self) -> Option<Entry<'a>> {
        self.entry(self.region.read_link(OLDEST_AT))
    }

    pub(super) fn newer(&self, entry: Entry<'a>) -> Option<Entry<'a>> {
        self.entry(self.region.read_link(entry.newer_at()))
    }

    pub(super) fn touch(&self, entry: Entry<'a>) {
        if self.region.read_link(NEWEST_AT) != entry.at {
            self.leave_queue(entry);
            self.enter_queue(entry);
        }
    }

    /// Takes memory for a new entry and writes its key. The caller writes the value, then calls `publish`.
    ///
    /// `forcible` is set once live entries had to go.
    pub(super) fn create(
        &self,
        key: &[u8],
        value_bytes: usize,
        may_evict: bool,
        forcible: &mut bool,
    ) -> Option<Entry<'a>> {
        let size = Entry::size(key, value_bytes);
        let at = self.slab.allocate(size).or_else(|| self.make_room(size, may_evict, forcible))?;
        let entry = Entry { region: self.region, at };
        entry.write_key(hash(self.region, key), key);
        Some(entry)
    }

    /// Makes a complete entry visible.
    pub(super) fn publish(&self, entry: Entry<'a>) {
        let bucket = self.layout.bucket_at(entry.hash());
        self.enter_queue(entry);
        self.region.write_link(entry.chain_at(), self.region.read_link(bucket));
        self.region.write_link(bucket, entry.at);
    }

    pub(super) fn remove(&self, entry: Entry<'a>) {
        self.leave_chain(entry);
        self.leave_queue(entry);
        if entry.tag() == Tag::List {
            self.release_elements(entry);
        }
        self.slab.release(entry.at);
    }

    /// Frees up to two of the oldest entries if they are expired: every operation pays a little, so that
    /// nobody has to sweep.
    pub(super) fn expire_some(&self) {
        for _ in 0..2 {
            match self.oldest() {
                Some(entry) if self.is_due(entry) => self.remove(entry),
                _ => return,
            }
        }
    }

    /// Evicts the oldest entry, whatever it is.
    pub(super) fn evict_oldest(&self) -> bool {
        let oldest = self.oldest();
        if let Some(entry) = oldest {
            self.remove(entry);
        }
        oldest.is_some()
    }

    /// Whether an entry may be freed: one millisecond earlier than `get` stops to return it.
    pub(super) fn is_due(&self, entry: Entry<'_>) -> bool {
        let expires = entry.expires();
        expires != 0 && expires <= self.now
    }

    /// Frees expired entries among the oldest; then, if allowed, live ones, oldest first.
    fn make_room(&self, size: usize, may_evict: bool, forcible: &mut bool) -> Option<usize> {
        let mut next = self.oldest();
        for _ in 0..SWEEP {
            let Some(entry) = next else { break };
            next = self.newer(entry);
            if self.is_due(entry) {
                self.remove(entry);
            }
        }
        if let Some(at) = self.slab.allocate(size) {
            return Some(at);
        }
        let most =
            if CLASSES.last().is_some_and(|largest| size <= *largest) { CHUNK_EVICTIONS } else { EVICTIONS };
        for _ in 0..most {
            if !may_evict || !self.evict_oldest() {
                return None;
            }
            *forcible = true;
            self.expire_some();
            if let Some(at) = self.slab.allocate(size) {
                return Some(at);
            }
        }
        None
    }

    fn leave_chain(&self, entry: Entry<'a>) {
        let mut link = self.layout.bucket_at(entry.hash());
        while let Some(candidate) = self.entry(self.region.read_link(link)) {
            if candidate.at == entry.at {
                let rest = self.region.read_link(entry.chain_at());
                return self.region.write_link(link, rest);
            }
            link = candidate.chain_at();
        }
    }

    fn enter_queue(&self, entry: Entry<'a>) {
        let newest = self.region.read_link(NEWEST_AT);
        self.region.write_link(entry.newer_at(), 0);
        self.region.write_link(entry.older_at(), newest);
        match self.entry(newest) {
            Some(newest) => self.region.write_link(newest.newer_at(), entry.at),
            None => self.region.write_link(OLDEST_AT, entry.at),
        }
        self.region.write_link(NEWEST_AT, entry.at);
    }

    fn leave_queue(&self, entry: Entry<'a>) {
        let newer = self.region.read_link(entry.newer_at());
        let older = self.region.read_link(entry.older_at());
        match self.entry(newer) {
            Some(newer) => self.region.write_link(newer.older_at(), older),
            None => self.region.write_link(NEWEST_AT, older),
        }
        match self.entry(older) {
            Some(older) => self.region.write_link(older.newer_at(), newer),
            None => self.region.write_link(OLDEST_AT, newer),
        }
    }
}

/// Hashes a key by folded multiplication, seeded per dictionary: keys come from clients, who must not be able
/// to choose ones that share a chain. The result must not change while a dictionary lives, across releases.
pub(super) fn hash(region: &Region, key: &[u8]) -> u32 {
    let seed = region.read64(SEEDS_AT);
    let multiplier = region.read64(SEEDS_AT + 8) | 1;
    let fold = |left: u64, right: u64| {
        let product = u128::from(left) * u128::from(right);
        product as u64 ^ (product >> 64) as u64
    };
    let mut state = seed ^ key.len() as u64;
    for chunk in key.chunks(8) {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        state = fold(state ^ u64::from_le_bytes(word), multiplier).wrapping_add(seed);
    }
    let state = fold(state, 0x9e37_79b9_7f4a_7c15);
    (state ^ state >> 32) as u32
}
