//! One shared dictionary and its operations.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use super::entry::{Entry, Tag, value_bytes};
use super::layout::{CAPACITY_AT, LOCK_AT, Layout, MAGIC, MAGIC_AT, NEWEST_AT, SEEDS_AT};
use super::lock::{self, Held};
use super::region::Region;
use super::salvage::rebuild;
use super::slab::Slab;
use super::table::Table;
use super::{Found, Incremented, Refusal, ShmError, Store, Stored, Value};

pub use super::salvage::Salvage;

/// Longest key, in bytes.
const LONGEST_KEY: usize = 65_535;

/// A dictionary in memory that processes share.
///
/// Times to live are in milliseconds, 0 meaning for ever. Lua-side checks (nil keys, argument types, negative
/// times) are the caller's.
pub struct Dict {
    name: Box<str>,
    region: Region,
    layout: Layout,
    clock: fn() -> u64,
}

/// The dictionary's content together with the lock that protects it.
pub(super) struct Locked<'a> {
    pub(super) table: Table<'a>,
    pub(super) _held: Held<'a>,
}

static REPORT: OnceLock<fn(&str, Salvage)> = OnceLock::new();

/// Sets what is called (with the dictionary's name) after a dictionary had to be rebuilt because a process died
/// while writing to it. The first call wins.
pub fn on_salvage(report: fn(&str, Salvage)) {
    let _ = REPORT.set(report);
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dict").field(&self.name()).finish()
    }
}

impl Dict {
    /// Makes an empty dictionary of `bytes`, its bookkeeping included.
    ///
    /// # Errors
    /// When the size is out of bounds or the system gives no memory.
    pub fn create(name: &str, bytes: usize) -> Result<Dict, ShmError> {
        let layout = Layout::of(bytes).ok_or_else(|| ShmError::Size { name: name.to_owned(), bytes })?;
        let region = Region::create(name, layout.len).map_err(|e| system(name, "creating memory", e))?;
        region.write64(CAPACITY_AT, bytes as u64);
        region.write64(SEEDS_AT, fastrand::u64(..));
        region.write64(SEEDS_AT + 8, fastrand::u64(..));
        lock::initialise(&region, LOCK_AT).map_err(|e| system(name, "creating the lock", e))?;
        format(&region, &layout);
        region.write64(MAGIC_AT, MAGIC);
        Ok(Dict { name: name.into(), region, layout, clock: monotonic_ms })
    }

    /// Maps a dictionary that another process made.
    ///
    /// # Errors
    /// When the memory cannot be mapped, or was laid out by an incompatible release.
    pub fn attach(name: &str, fd: OwnedFd) -> Result<Dict, ShmError> {
        let region = Region::attach(fd).map_err(|e| system(name, "mapping memory", e))?;
        let bytes = region.read64(CAPACITY_AT) as usize;
        let layout = Layout::of(bytes)
            .filter(|layout| region.read64(MAGIC_AT) == MAGIC && layout.len == region.len())
            .ok_or_else(|| ShmError::Layout { name: name.to_owned() })?;
        Ok(Dict { name: name.into(), region, layout, clock: monotonic_ms })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The memfd behind it, to be inherited by another process.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.region.fd()
    }

    /// The size it was declared with, in bytes.
    pub fn capacity(&self) -> usize {
        self.region.read64(CAPACITY_AT) as usize
    }

    /// Bytes in pages that nothing uses. There may be room for small values even when this is 0.
    pub fn free_space(&self) -> usize {
        self.lock().table.slab.free_bytes()
    }

    /// Reads a live entry; a string goes into `buffer`.
    ///
    /// # Errors
    /// [`Refusal::ValueIsList`], or a bad key.
    pub fn get(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<Option<Found>, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.expire_some();
        match table.find(key) {
            Some(entry) if !table.is_expired(entry) => read(entry, false, buffer),
            _ => Ok(None),
        }
    }

    /// As [`Dict::get`], but also returns an expired entry whose memory was not needed yet.
    pub fn get_stale(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<Option<Found>, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.find(key).map_or(Ok(None), |entry| read(entry, table.is_expired(entry), buffer))
    }

    /// `set`, `safe_set`, `add`, `safe_add`, `replace`: which one, says `how`.
    pub fn store(&self, how: Store, key: &[u8], value: Value<'_>, ttl: u64, flags: u32) -> Stored {
        let mut forcible = false;
        let result = self.try_store(how, key, value, ttl, flags, &mut forcible);
        Stored { result, forcible }
    }

    fn try_store(
        &self,
        how: Store,
        key: &[u8],
        value: Value<'_>,
        ttl: u64,
        flags: u32,
        forcible: &mut bool,
    ) -> Result<(), Refusal> {
        check_key(key)?;
        if value == Value::Nil && (how.adds() || how == Store::Replace) {
            return Err(Refusal::NilValue);
        }
        let Locked { table, _held } = self.lock();
        table.expire_some();
        let existing = table.find(key);
        let alive = existing.is_some_and(|entry| !table.is_expired(entry));
        match how {
            Store::Replace if !alive => return Err(Refusal::NotFound),
            Store::Add | Store::SafeAdd if alive => return Err(Refusal::Exists),
            _ => {}
        }
        let size = value_bytes(value);
        let reusable = existing.filter(|entry| size.is_some_and(|size| fits(&table, *entry, key, size)));
        let entry = match (reusable, size) {
            (Some(entry), _) => entry,
            (None, size) => {
                existing.inspect(|entry| table.remove(*entry));
                let Some(size) = size else { return Ok(()) };
                table.create(key, size, how.may_evict(), forcible).ok_or(Refusal::NoMemory)?
            }
        };
        entry.set_value(value);
        entry.set_expires(table.deadline(ttl));
        entry.set_flags(flags);
        if reusable.is_none() {
            table.publish(entry);
        }
        Ok(())
    }

    /// Stores always.
    pub fn set(&self, key: &[u8], value: Value<'_>, ttl: u64, flags: u32) -> Stored {
        self.store(Store::Set, key, value, ttl, flags)
    }

    /// Stores if no live entry is there.
    pub fn add(&self, key: &[u8], value: Value<'_>, ttl: u64, flags: u32) -> Stored {
        self.store(Store::Add, key, value, ttl, flags)
    }

    /// Stores if a live entry is there.
    pub fn replace(&self, key: &[u8], value: Value<'_>, ttl: u64, flags: u32) -> Stored {
        self.store(Store::Replace, key, value, ttl, flags)
    }

    /// Removes an entry if it is there.
    ///
    /// # Errors
    /// A bad key.
    pub fn delete(&self, key: &[u8]) -> Result<(), Refusal> {
        self.store(Store::Set, key, Value::Nil, 0, 0).result
    }

    /// Adds `by` to a number. Without a live entry it becomes `init` + `by` with its time to live, if given.
    ///
    /// The flags of an existing number stay, as does its expiry.
    pub fn incr(&self, key: &[u8], by: f64, init: Option<(f64, u64)>) -> Incremented {
        let mut forcible = false;
        let result = self.try_incr(key, by, init, &mut forcible);
        Incremented { result, forcible }
    }

    fn try_incr(
        &self,
        key: &[u8],
        by: f64,
        init: Option<(f64, u64)>,
        forcible: &mut bool,
    ) -> Result<f64, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.expire_some();
        let existing = table.find(key);
        if let Some(entry) = existing.filter(|entry| !table.is_expired(*entry)) {
            if entry.tag() != Tag::Number {
                return Err(Refusal::NotANumber);
            }
            let number = entry.number() + by;
            entry.set_number(number);
            return Ok(number);
        }
        let Some((start, ttl)) = init else { return Err(Refusal::NotFound) };
        existing.inspect(|entry| table.remove(*entry));
        let entry = table.create(key, 8, true, forcible).ok_or(Refusal::NoMemory)?;
        let number = start + by;
        entry.set_value(Value::Number(number));
        entry.set_expires(table.deadline(ttl));
        entry.set_flags(0);
        table.publish(entry);
        Ok(number)
    }

    /// Milliseconds an entry has left: 0 for ever, negative when it is over but still in memory.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] or a bad key.
    pub fn ttl(&self, key: &[u8]) -> Result<i64, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        let expires = table.peek(key).ok_or(Refusal::NotFound)?.expires();
        Ok(if expires == 0 { 0 } else { (expires as i64).wrapping_sub(table.now as i64) })
    }

    /// Gives an entry a new time to live, also one that is expired but still in memory.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] or a bad key.
    pub fn expire(&self, key: &[u8], ttl: u64) -> Result<(), Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.peek(key).ok_or(Refusal::NotFound)?.set_expires(table.deadline(ttl));
        Ok(())
    }

    /// Lets all entries expire now. Their memory is freed when it is needed.
    pub fn flush_all(&self) {
        let Locked { table, _held } = self.lock();
        let mut next = table.oldest();
        while let Some(entry) = next {
            entry.set_expires(1);
            next = table.newer(entry);
        }
        table.evict_oldest();
        table.expire_some();
    }

    /// Frees expired entries, at most `limit` of them (0: all); returns how many.
    pub fn flush_expired(&self, limit: usize) -> usize {
        let Locked { table, _held } = self.lock();
        let (mut freed, mut next) = (0, table.oldest());
        while let Some(entry) = next {
            next = table.newer(entry);
            if table.is_due(entry) {
                table.remove(entry);
                freed += 1;
                if freed == limit {
                    break;
                }
            }
        }
        freed
    }

    /// Keys of live entries, the least recently used first, at most `limit` of them (0: all).
    ///
    /// *Cost*: the dictionary is locked meanwhile.
    pub fn keys(&self, limit: usize) -> Vec<Vec<u8>> {
        let Locked { table, _held } = self.lock();
        let (mut keys, mut next) = (Vec::new(), table.oldest());
        while let Some(entry) = next {
            next = table.newer(entry);
            if !table.is_due(entry) {
                let mut key = Vec::new();
                entry.copy_key(&mut key);
                keys.push(key);
                if keys.len() == limit {
                    break;
                }
            }
        }
        keys
    }

    /// Takes the lock; rebuilds the content first if its last owner died with it.
    pub(super) fn lock(&self) -> Locked<'_> {
        let held = lock::hold(&self.region, LOCK_AT);
        let table = Table::new(&self.region, &self.layout, (self.clock)());
        if held.owner_died {
            let salvage = rebuild(&table);
            if let Some(report) = REPORT.get() {
                report(&self.name, salvage);
            }
        }
        Locked { table, _held: held }
    }
}

/// Empties a dictionary: everything after the lock.
pub(super) fn format(region: &Region, layout: &Layout) {
    region.clear(NEWEST_AT, layout.pages_at);
    Slab::new(region, layout).format();
}

pub(super) fn check_key(key: &[u8]) -> Result<(), Refusal> {
    match key.len() {
        0 => Err(Refusal::EmptyKey),
        1..=LONGEST_KEY => Ok(()),
        _ => Err(Refusal::KeyTooLong),
    }
}

fn read(entry: Entry<'_>, stale: bool, buffer: &mut Vec<u8>) -> Result<Option<Found>, Refusal> {
    match entry.tag() {
        Tag::List => Err(Refusal::ValueIsList),
        _ => Ok(entry.value(buffer).map(|value| Found { value, flags: entry.flags(), stale })),
    }
}

/// Whether a value of `size` bytes can be written over the entry's present one.
fn fits(table: &Table<'_>, entry: Entry<'_>, key: &[u8], size: usize) -> bool {
    let room = table.slab.size_of(entry.at);
    let needed = Entry::size(key, size);
    entry.tag() != Tag::List && needed <= room && needed * 2 > room
}

fn system(name: &str, what: &'static str, source: io::Error) -> ShmError {
    ShmError::System { name: name.to_owned(), what, source }
}

/// Milliseconds of the clock that all processes of a machine share and nobody can set.
fn monotonic_ms() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| now.tv_sec() as u64 * 1000 + now.tv_nsec() as u64 / 1_000_000)
}

#[cfg(test)]
impl Dict {
    pub(super) fn with_clock(mut self, clock: fn() -> u64) -> Dict {
        self.clock = clock;
        self
    }

    pub(super) fn rebuilt(&self) -> Salvage {
        rebuild(&self.lock().table)
    }
}
