//! Shared dictionaries: what Lua sees as `ngx.shared.NAME`.
//!
//! A [`Dict`] lives in a memfd that the master creates and every worker process maps, so all threads and
//! both generations of a reload see one truth, and a counter outlives the process that counted.
//!
//! # How the memory is laid out
//!
//! ```text
//! header | bucket heads | page descriptors | pages …
//! ```
//!
//! Everything in it refers to everything else by offset, never by address: each process maps it elsewhere.
//! The files build on each other in this order:
//!
//! | file | owns |
//! |---|---|
//! | `region` | the mapping; bounds-checked reads and writes (all `unsafe` of memory access) |
//! | `lock` | the robust process-shared mutex in the header |
//! | `layout` | where the parts of a dictionary of a given size begin |
//! | `slab` | pages and size classes: memory for entries |
//! | `entry` | one key with its value, expiry, flags and links |
//! | `table` | hash chains and the LRU queue; eviction |
//! | `list` | list values: operations and elements |
//! | `salvage` | what is saved of a dictionary whose writer was killed in the middle of a write |
//! | [`dict`] | the operations, one method per `ngx.shared.DICT` method |
//! | [`dicts`] | the set of all dictionaries; creating, inheriting, resizing |
//!
//! *Kong parity*: results, error strings and the `forcible` flag are those of lua-nginx-module.
//!
//! *Cost*: an operation is one uncontended lock, one hash and a chain of about one entry; nothing is allocated
//! in the process except the caller's own buffer.

pub mod dict;
pub mod dicts;
pub mod error;
pub mod value;

mod entry;
mod layout;
mod list;
mod lock;
mod region;
mod salvage;
mod slab;
mod table;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use dict::Dict;
pub use dicts::Dicts;
pub use error::{Refusal, ShmError};
pub use value::{Found, Incremented, Kind, Popped, Store, Stored, Value};
