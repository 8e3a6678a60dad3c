//! The schema engine: what entities and plugin configurations look like, and what is wrong with one that does
//! not.
//!
//! Values are [`serde_json::Value`]: an absent key is Lua's `nil`, `null` is `ngx.null` ([`value`], [`text`]).
//! A [`Schema`] describes an entity: a [`Record`] of [`Field`]s with [`Validator`]s, rules between fields
//! ([`Check`]), shorthands and transformations, and subschemas that refine it by the value of one field
//! (`plugins` by `name`). A [`Catalog`] holds the schemas of a thread and resolves foreign fields.
//!
//! An entity passes through in this order, on its way in:
//!
//! 1. [`Schema::process_auto_fields`] (`auto`, `shorthand`, `generate`) expands shorthands, then fills in
//!    identifiers, timestamps and defaults;
//! 2. [`Schema::validate_insert`] and its siblings (`validate`, `validator`, `check`) find what is wrong;
//! 3. [`Schema::transform`] computes fields from others.
//!
//! On its way out `process_auto_fields` with [`Context::Select`] drops what is not to be shown (`select`).
//!
//! Schemas come from Rust (`crate::entities`, with the building blocks of [`typedefs`]) or from a plugin's
//! `schema.lua`. *Kong parity*: the words of all messages ([`messages`]), the order validators run in, and
//! which rules are left out when fields are absent, invalid or vault references.

mod auto;
mod callback;
mod catalog;
mod check;
mod definition;
pub mod environment;
mod error;
mod field;
mod field_builder;
mod generate;
mod json_schema;
pub mod legacy;
pub mod lua;
mod lua_pattern;
pub mod messages;
pub mod metaschema;
mod read;
mod record;
mod reference;
#[allow(clippy::module_inception, reason = "the folder's central type")]
mod schema;
mod schema_builder;
mod select;
mod shorthand;
#[cfg(test)]
mod spec;
mod structure;
pub mod text;
mod transform;
pub mod typedefs;
mod validate;
mod validator;
pub mod value;

pub use auto::{AutoOptions, Context, Processed, Resolve};
pub use callback::{Callback, EntityCheck, Expansion, Rejection, Reverse, Transform, ValueCheck, Verdict};
pub use catalog::{Catalog, Constraint};
pub use check::{AtLeastOneOfIf, Check, Condition, Conditional, Custom};
pub use definition::Code;
pub use error::SchemaError;
pub use field::{Deprecation, Field, Foreign, Kind, NullRule, Replacement};
pub use json_schema::{JsonRule, check as check_json, store as store_json_schema};
pub use lua_pattern::{LuaPattern, PatternError};
pub use read::{Functions, Reader};
pub use record::{Fields, Record, Shorthand, Transformation};
pub use reference::{is_reference, is_reference_text};
pub use schema::Schema;
pub use validate::{Errors, errors_to_string};
pub use validator::{PatternRule, Validator, is_uuid, validator_names};
