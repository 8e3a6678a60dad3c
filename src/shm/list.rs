//! List values: the operations on them, and their elements, a doubly linked chain of one allocation each.

use super::dict::{Locked, check_key};
use super::entry::{Entry, Tag};
use super::table::Table;
use super::{Dict, Popped, Refusal, Value};

const PREVIOUS: usize = 0;
const NEXT: usize = 4;
const LENGTH: usize = 8;
const TAG: usize = 12;
const DATA: usize = 16;

/// The end of a list at which an operation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    First,
    Last,
}

impl End {
    fn other(self) -> End {
        match self {
            End::First => End::Last,
            End::Last => End::First,
        }
    }

    /// Where the list entry stores the link to this end.
    fn link_at(self, list: Entry<'_>) -> usize {
        list.value_at() + if self == End::First { 0 } else { 4 }
    }

    /// Which link of an element leads away from this end.
    fn inward(self) -> usize {
        if self == End::First { NEXT } else { PREVIOUS }
    }
}

impl Dict {
    /// Adds a number or string before the first element; returns the new length.
    ///
    /// # Errors
    /// [`Refusal::ValueNotList`], [`Refusal::NoMemory`] (lists never evict), or a bad key.
    pub fn lpush(&self, key: &[u8], value: Value<'_>) -> Result<usize, Refusal> {
        self.push(key, End::First, value)
    }

    /// As [`Dict::lpush`], after the last element.
    pub fn rpush(&self, key: &[u8], value: Value<'_>) -> Result<usize, Refusal> {
        self.push(key, End::Last, value)
    }

    fn push(&self, key: &[u8], end: End, value: Value<'_>) -> Result<usize, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.expire_some();
        let mut existing = table.find(key);
        if let Some(entry) = existing.take_if(|entry| table.is_expired(*entry)) {
            table.remove(entry);
        }
        let list = match existing {
            Some(entry) if entry.tag() != Tag::List => return Err(Refusal::ValueNotList),
            Some(entry) => entry,
            None => {
                let entry = table.create(key, 8, false, &mut false).ok_or(Refusal::NoMemory)?;
                entry.set_flags(0);
                entry.set_expires(0);
                entry.set_empty_list();
                table.publish(entry);
                entry
            }
        };
        if table.push(list, end, value) {
            return Ok(list.length());
        }
        if list.length() == 0 {
            table.remove(list);
        }
        Err(Refusal::NoMemory)
    }

    /// Takes the first element, if there is one.
    ///
    /// # Errors
    /// [`Refusal::ValueNotList`] or a bad key.
    pub fn lpop(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<Option<Popped>, Refusal> {
        self.pop(key, End::First, buffer)
    }

    /// As [`Dict::lpop`], the last element.
    pub fn rpop(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<Option<Popped>, Refusal> {
        self.pop(key, End::Last, buffer)
    }

    fn pop(&self, key: &[u8], end: End, buffer: &mut Vec<u8>) -> Result<Option<Popped>, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.expire_some();
        match table.find(key) {
            Some(entry) if table.is_expired(entry) => Ok(None),
            Some(entry) if entry.tag() != Tag::List => Err(Refusal::ValueNotList),
            Some(entry) => Ok(table.pop(entry, end, buffer)),
            None => Ok(None),
        }
    }

    /// Number of elements; 0 if there is no such list.
    ///
    /// # Errors
    /// [`Refusal::ValueNotList`] or a bad key.
    pub fn llen(&self, key: &[u8]) -> Result<usize, Refusal> {
        check_key(key)?;
        let Locked { table, _held } = self.lock();
        table.expire_some();
        match table.find(key) {
            Some(entry) if table.is_expired(entry) => Ok(0),
            Some(entry) if entry.tag() != Tag::List => Err(Refusal::ValueNotList),
            Some(entry) => Ok(entry.length()),
            None => Ok(0),
        }
    }
}

impl<'a> Table<'a> {
    /// Adds an element; `false` when there is no memory. Pushing never evicts.
    pub(super) fn push(&self, list: Entry<'a>, end: End, value: Value<'_>) -> bool {
        let number;
        let (tag, bytes) = match value {
            Value::String(bytes) => (Tag::String, bytes),
            Value::Number(value) => {
                number = value.to_ne_bytes();
                (Tag::Number, number.as_slice())
            }
            Value::Nil | Value::Boolean(_) => return false,
        };
        let Some(element) = self.slab.allocate(DATA + bytes.len()) else { return false };
        self.region.write32(element + LENGTH, bytes.len() as u32);
        self.region.write32(element + TAG, tag as u32);
        self.region.copy_in(element + DATA, bytes);
        self.link_element(list, end, element);
        list.set_length(list.length() + 1);
        true
    }

    fn link_element(&self, list: Entry<'a>, end: End, element: usize) {
        let (inward, outward) = (end.inward(), end.other().inward());
        let neighbour = self.region.read_link(end.link_at(list));
        self.region.write_link(element + inward, neighbour);
        self.region.write_link(element + outward, 0);
        match neighbour {
            0 => self.region.write_link(end.other().link_at(list), element),
            _ => self.region.write_link(neighbour + outward, element),
        }
        self.region.write_link(end.link_at(list), element);
    }

    /// Takes an element; the entry goes with its last one.
    pub(super) fn pop(&self, list: Entry<'a>, end: End, buffer: &mut Vec<u8>) -> Option<Popped> {
        let element = self.region.read_link(end.link_at(list));
        if element == 0 {
            return None;
        }
        let popped = self.read_element(element, buffer);
        let rest = self.region.read_link(element + end.inward());
        self.region.write_link(end.link_at(list), rest);
        match rest {
            0 => self.region.write_link(end.other().link_at(list), 0),
            _ => self.region.write_link(rest + end.other().inward(), 0),
        }
        list.set_length(list.length().saturating_sub(1));
        self.slab.release(element);
        if rest == 0 {
            self.remove(list);
        }
        popped
    }

    fn read_element(&self, element: usize, buffer: &mut Vec<u8>) -> Option<Popped> {
        match Tag::from_bits(self.region.read32(element + TAG)) {
            Tag::Number => Some(Popped::Number(f64::from_bits(self.region.read64(element + DATA)))),
            Tag::String => {
                let length = self.region.read32(element + LENGTH) as usize;
                self.region.copy_out(element + DATA, length, buffer);
                Some(Popped::String)
            }
            _ => None,
        }
    }

    /// Calls `each` with the elements from first to last. `limit` bounds the walk over a damaged chain.
    pub(super) fn each_element(
        &self,
        list: Entry<'a>,
        limit: usize,
        mut each: impl FnMut(Option<Popped>, &[u8]),
    ) {
        let mut buffer = Vec::new();
        let mut element = self.region.read_link(End::First.link_at(list));
        for _ in 0..limit {
            if element == 0 {
                return;
            }
            let value = self.read_element(element, &mut buffer);
            each(value, &buffer);
            element = self.region.read_link(element + NEXT);
        }
    }

    /// Frees all elements; the entry's own links are left as they are.
    pub(super) fn release_elements(&self, list: Entry<'a>) {
        let mut element = self.region.read_link(End::First.link_at(list));
        while element != 0 {
            let next = self.region.read_link(element + NEXT);
            self.slab.release(element);
            element = next;
        }
    }
}
