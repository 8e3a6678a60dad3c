//! Data access: the declarative configuration, the stores, and the [`Dao`] over them.
//!
//! [`declarative`] turns a kong.yml into [`Entities`] and back; [`off`] makes a [`off::Dataset`] of them,
//! which answers look-ups without a database. A database is a [`Store`]: rows in, rows out, [`Change`]s applied
//! whole or not at all; there is a folder for each, with the same names of files, and [`memory`] as the model that
//! tests compare them with. The [`Dao`] stands on the control thread, between the Admin API and a store: it has the
//! schemas prepare and check an entity, has the store write it, and tells its [`Observer`] what was written.
//!
//! All threads of a process reach the store through one [`Connector`]; nodes that share it hear from each other by
//! [`notes`] of what changed.
//!
//! [`standby`] is the copy of a database that a node starts from while the database is away.
//!
//! What a store must know about the kinds of entities is in [`Model`], plain data taken once from the schemas, so
//! that a store needs no schema engine and can be shared between threads. Errors are [`DbError`]s with Kong's codes
//! and words.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

pub mod cassandra;
mod change;
mod connector;
#[cfg(test)]
mod contract;
pub mod dao;
pub mod declarative;
mod error;
mod executor;
mod field;
pub mod lua_literal;
pub mod memory;
pub mod migrations;
pub mod migrator;
mod model;
pub mod notes;
pub mod off;
mod page;
pub mod postgres;
mod records;
pub mod sqlite;
pub mod standby;
mod store;

pub use change::{Change, Expiry, Place, Removed, Write, Written};
pub use connector::{Connector, EntityEvent, Heard};
pub use dao::{Dao, DaoOptions, Observer, Workspace};
pub use error::{DbError, ErrorCode};
pub use field::{FieldKind, StoredField};
pub use model::{EntityModel, ForeignField, Model, UniqueField};
pub use page::{Page, PageRequest, TagFilter};
pub use records::{ClusterEvent, Counter, Lock, TagPage, Tagged};
pub use store::{Answer, Query, Store, StoreInfo, View};

/// One entity: field name → value, all fields of its schema included.
pub type Entity = Map<String, Value>;

/// The entities of one kind, by the text of their primary key.
///
/// Entities are shared: one that a change leaves alone is the same one before and after.
pub type Rows = IndexMap<Arc<str>, Arc<Entity>, foldhash::fast::RandomState>;

/// Entities by kind (`services`, `routes` …).
///
/// Plain data without indexes: what the declarative reader makes, stores keep and the snapshot is built
/// from.
pub type Entities = IndexMap<String, Rows>;
