//! Values and results that pass between a dictionary and its callers.

use super::Refusal;

/// A value to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Storing nil deletes the key.
    Nil,
    /// A Lua boolean.
    Boolean(bool),
    /// A Lua number.
    Number(f64),
    /// A Lua string: any bytes.
    String(&'a [u8]),
}

/// A value that was read; a string's bytes are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A Lua boolean.
    Boolean(bool),
    /// A Lua number.
    Number(f64),
    /// A Lua string, copied into the buffer given to the call.
    String,
}

/// What `get` and `get_stale` found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The value.
    pub value: Kind,
    /// The user flags stored with it; Lua sees nil for 0.
    pub flags: u32,
    /// Whether its time to live is over (only `get_stale` returns such entries).
    pub stale: bool,
}

/// Which of the storing operations is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Always.
    Set,
    /// Only if no live entry is there.
    Add,
    /// Only if a live entry is there.
    Replace,
    /// Always, but never at the cost of another live entry.
    SafeSet,
    /// As `Add`, but never at the cost of another live entry.
    SafeAdd,
}

impl Store {
    pub(super) fn adds(self) -> bool {
        matches!(self, Store::Add | Store::SafeAdd)
    }

    pub(super) fn may_evict(self) -> bool {
        !matches!(self, Store::SafeSet | Store::SafeAdd)
    }
}

/// The outcome of a storing operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// Whether it was stored.
    pub result: Result<(), Refusal>,
    /// Whether other live entries were evicted to make room (also set when room was still not found).
    pub forcible: bool,
}

/// The outcome of `incr`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incremented {
    /// The new number.
    pub result: Result<f64, Refusal>,
    /// Whether other live entries were evicted to make room.
    pub forcible: bool,
}

/// An element taken from a list; a string's bytes are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Popped {
    /// A number.
    Number(f64),
    /// A string, copied into the buffer given to the call.
    String,
}
