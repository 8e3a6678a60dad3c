//! The store without a database: all entities in memory, replaced as a whole.
//!
//! [`Dataset::build`] takes the [`Entities`](super::Entities) of a declarative configuration and indexes
//! them by primary key, unique field, cache key, foreign key and tag; afterwards it never changes, so any
//! number of threads may read it. [`Kept`] is the copy under the prefix, from which a restart without a
//! declarative file serves on. Writes are refused by [`refuse`], in Kong's words.

mod collection;
mod dataset;
mod kept;
mod refusal;

pub use super::page::{Page, PageRequest, TagFilter};
pub use collection::{Changes, Collection};
pub use dataset::{DEFAULT_WORKSPACE, Dataset, EMPTY_HASH, invalid_key};
pub use kept::{Kept, KeptError};
pub use refusal::{Write, refuse};
