//! One entry: header, key, padding to 8 bytes, value.
//!
//! The value of a list entry is the links to its first and last element; its length counts elements.

use super::region::Region;
use super::{Kind, Value};

const CHAIN: usize = 0;
const NEWER: usize = 4;
const OLDER: usize = 8;
const FLAGS: usize = 12;
const EXPIRES: usize = 16;
const LENGTH: usize = 24;
const HASH: usize = 28;
const KEY_AND_TAG: usize = 32;
const KEY: usize = 36;

/// What kind of value an entry or a list element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Being overwritten: if the writer died, the value is lost.
    Unfinished = 0,
    Boolean = 1,
    Number = 2,
    String = 3,
    List = 4,
}

impl Tag {
    pub(super) fn from_bits(bits: u32) -> Tag {
        match bits {
            1 => Tag::Boolean,
            2 => Tag::Number,
            3 => Tag::String,
            4 => Tag::List,
            _ => Tag::Unfinished,
        }
    }
}

/// An entry in shared memory. The dictionary's lock is held while one exists.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) region: &'a Region,
    pub(super) at: usize,
}

impl<'a> Entry<'a> {
    /// Bytes an entry takes.
    pub(super) fn size(key: &[u8], value_bytes: usize) -> usize {
        (KEY + key.len()).next_multiple_of(8) + value_bytes
    }

    /// Where the link to the next entry of the chain is.
    pub(super) fn chain_at(&self) -> usize {
        self.at + CHAIN
    }

    /// Where the link to the next more recently used entry is.
    pub(super) fn newer_at(&self) -> usize {
        self.at + NEWER
    }

    /// Where the link to the next less recently used entry is.
    pub(super) fn older_at(&self) -> usize {
        self.at + OLDER
    }

    pub(super) fn flags(&self) -> u32 {
        self.region.read32(self.at + FLAGS)
    }

    pub(super) fn set_flags(&self, flags: u32) {
        self.region.write32(self.at + FLAGS, flags);
    }

    /// When the time to live ends, on the dictionary's clock in milliseconds; 0 is never.
    pub(super) fn expires(&self) -> u64 {
        self.region.read64(self.at + EXPIRES)
    }

    pub(super) fn set_expires(&self, at: u64) {
        self.region.write64(self.at + EXPIRES, at);
    }

    pub(super) fn hash(&self) -> u32 {
        self.region.read32(self.at + HASH)
    }

    pub(super) fn tag(&self) -> Tag {
        Tag::from_bits(self.region.read32(self.at + KEY_AND_TAG) >> 16)
    }

    fn set_tag(&self, tag: Tag) {
        let key_len = self.key_len() as u32;
        self.region.write32(self.at + KEY_AND_TAG, key_len | (tag as u32) << 16);
    }

    pub(super) fn key_len(&self) -> usize {
        (self.region.read32(self.at + KEY_AND_TAG) & 0xffff) as usize
    }

    pub(super) fn has_key(&self, hash: u32, key: &[u8]) -> bool {
        self.hash() == hash && self.key_len() == key.len() && self.region.equals(self.at + KEY, key)
    }

    pub(super) fn copy_key(&self, buffer: &mut Vec<u8>) {
        self.region.copy_out(self.at + KEY, self.key_len(), buffer);
    }

    /// Bytes of the value, or elements of the list.
    pub(super) fn length(&self) -> usize {
        self.region.read32(self.at + LENGTH) as usize
    }

    pub(super) fn set_length(&self, length: usize) {
        self.region.write32(self.at + LENGTH, length as u32);
    }

    pub(super) fn value_at(&self) -> usize {
        self.at + (KEY + self.key_len()).next_multiple_of(8)
    }

    /// Writes hash and key of a fresh entry; value and links follow.
    pub(super) fn write_key(&self, hash: u32, key: &[u8]) {
        self.region.write32(self.at + HASH, hash);
        self.region.write32(self.at + KEY_AND_TAG, key.len() as u32);
        self.region.copy_in(self.at + KEY, key);
    }

    pub(super) fn number(&self) -> f64 {
        f64::from_bits(self.region.read64(self.value_at()))
    }

    pub(super) fn set_number(&self, number: f64) {
        self.region.write64(self.value_at(), number.to_bits());
    }

    /// Writes a value that fits. Numbers change in one store, so that a killed writer spoils no counter.
    pub(super) fn set_value(&self, value: Value<'_>) {
        match value {
            Value::Number(number) if self.tag() == Tag::Number => self.set_number(number),
            Value::Number(number) => {
                self.set_tag(Tag::Unfinished);
                self.set_length(8);
                self.set_number(number);
                self.set_tag(Tag::Number);
            }
            Value::Boolean(flag) => self.set_bytes(Tag::Boolean, &[u8::from(flag)]),
            Value::String(bytes) => self.set_bytes(Tag::String, bytes),
            Value::Nil => self.set_tag(Tag::Unfinished),
        }
    }

    fn set_bytes(&self, tag: Tag, bytes: &[u8]) {
        self.set_tag(Tag::Unfinished);
        self.set_length(bytes.len());
        self.region.copy_in(self.value_at(), bytes);
        self.set_tag(tag);
    }

    /// Makes the value an empty list.
    pub(super) fn set_empty_list(&self) {
        self.set_tag(Tag::Unfinished);
        self.set_length(0);
        self.region.write64(self.value_at(), 0);
        self.set_tag(Tag::List);
    }

    /// Reads a value that is no list; a string goes into `buffer`.
    pub(super) fn value(&self, buffer: &mut Vec<u8>) -> Option<Kind> {
        match self.tag() {
            Tag::Boolean => {
                let word = self.region.read32(self.value_at());
                Some(Kind::Boolean(word.to_ne_bytes().first().is_some_and(|byte| *byte != 0)))
            }
            Tag::Number => Some(Kind::Number(self.number())),
            Tag::String => {
                self.region.copy_out(self.value_at(), self.length(), buffer);
                Some(Kind::String)
            }
            Tag::List | Tag::Unfinished => None,
        }
    }
}

/// Bytes a value takes in its entry; `None` for nil.
pub(super) fn value_bytes(value: Value<'_>) -> Option<usize> {
    match value {
        Value::Nil => None,
        Value::Boolean(_) => Some(1),
        Value::Number(_) => Some(8),
        Value::String(bytes) => Some(bytes.len()),
    }
}
