//! What can go wrong: with a dictionary's memory, and with one operation.

use std::io;

/// A dictionary could not be created or attached.
#[derive(Debug, thiserror::Error)]
pub enum ShmError {
    /// The operating system refused memory, a mapping or a lock.
    #[error("shared dictionary \"{name}\": {what}: {source}")]
    System {
        /// Name of the dictionary.
        name: String,
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The size is below what one entry needs, or above what offsets can address.
    #[error("shared dictionary \"{name}\": invalid size {bytes}: must be between 12k and 32g")]
    Size {
        /// Name of the dictionary.
        name: String,
        /// The size asked for, in bytes.
        bytes: usize,
    },
    /// The memory was laid out by an incompatible release.
    #[error("shared dictionary \"{name}\": its memory has another layout than this release uses")]
    Layout {
        /// Name of the dictionary.
        name: String,
    },
}

/// Why an operation was refused; `Display` is the exact string Lua receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key has no bytes.
    #[error("empty key")]
    EmptyKey,
    /// The key has more than 65,535 bytes.
    #[error("key too long")]
    KeyTooLong,
    /// There is no live entry of that key.
    #[error("not found")]
    NotFound,
    /// `add` found a live entry.
    #[error("exists")]
    Exists,
    /// Nothing (more) may be evicted, and there is no room.
    #[error("no memory")]
    NoMemory,
    /// `incr` met a value of another type.
    #[error("not a number")]
    NotANumber,
    /// `get` met a list.
    #[error("value is a list")]
    ValueIsList,
    /// A list operation met another type.
    #[error("value not a list")]
    ValueNotList,
    /// `add` or `replace` with nil.
    #[error("attempt to add or replace nil values")]
    NilValue,
}
