//! Data access: the declarative configuration and the stores.
//!
//! [`declarative`] turns a kong.yml into [`Entities`] and back; [`off`] makes a [`off::Dataset`] of them,
//! which answers look-ups without a database. What a store must know about the kinds of entities is in
//! [`Model`], plain data taken once from the schemas, so that a store needs no schema engine and can be
//! shared between threads. Errors are [`DbError`]s with Kong's codes and words.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

pub mod declarative;
mod error;
pub mod lua_literal;
mod model;
pub mod off;

pub use error::{DbError, ErrorCode};
pub use model::{EntityModel, ForeignField, Model, UniqueField};

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
