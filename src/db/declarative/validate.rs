//! Validation of a document before anything is filled in.
//!
//! *Kong parity*: first with references as text. If that fails, a copy whose ids and foreign keys are
//! filled in is validated against the entities' own schemas, since some rules look at foreign fields; if
//! the copy passes, so does the document. Otherwise the errors are those of the copy and, of the first
//! look, those of fields that must be null.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::kinds::{Kinds, Variant};
use super::{ids, messages};
use crate::db::Entity;
use crate::schema::{AutoOptions, Context, Errors};

/// Entities with the values their schemas supply, by kind, at the places they have in the document.
///
/// Validation needs them anyway; kept, they spare [`super::block`] the same work.
pub(super) type Filled = HashMap<String, Vec<Option<FilledEntity>>>;

/// An entity with the values its schema supplies, and those below it.
#[derive(Debug, Default)]
pub(super) struct FilledEntity {
    pub(super) entity: Entity,
    pub(super) below: Filled,
}

/// Says what is wrong with a whole document; nothing if one of the two looks accepts it.
///
/// Needed only where [`super::block`] found that something is wrong: this tells all of it, in Kong's order.
///
/// # Errors
/// The tree of what is wrong.
pub(super) fn validate(kinds: &Kinds, document: &Map<String, Value>) -> Result<(), Errors> {
    let Err(by_name) = first_look(kinds, document) else { return Ok(()) };
    let mut copy = document.clone();
    ids::fill_for_validation(kinds, &mut copy);
    let Err(full) = check(&copy, &by_variant(kinds, Variant::Full)) else { return Ok(()) };
    let mut errors = Value::Object(full);
    if let Some(nulls) = only_null_errors(&Value::Object(by_name)) {
        merge(&mut errors, nulls);
    }
    match errors {
        Value::Object(errors) => Err(errors),
        _ => Ok(()),
    }
}

/// The first look alone.
///
/// # Errors
/// The tree of what is wrong.
pub(super) fn first_look(kinds: &Kinds, document: &Map<String, Value>) -> Result<(), Errors> {
    check(document, &by_variant(kinds, Variant::ByName))
}

/// Checks a document but for the items of its lists.
pub(super) fn frame(kinds: &Kinds, document: &Map<String, Value>) -> Result<(), Errors> {
    let is_list = |value: &Value| value.is_null() || is_sequence(value);
    let list = |_: &str, value: &Value| messages::expect(is_list(value), messages::ARRAY);
    check(document, &|key, value| kinds.named(key).map(|_| list(key, value)))
}

/// How the list below a key is judged; `None` for a key that has no list.
type Judge<'a> = &'a dyn Fn(&str, &Value) -> Option<Result<(), Value>>;

fn by_variant(kinds: &Kinds, variant: Variant) -> impl Fn(&str, &Value) -> Option<Result<(), Value>> + '_ {
    move |key, value| kinds.named(key).map(|_| list(kinds, key, value, variant).map(drop))
}

fn check(document: &Map<String, Value>, judge: Judge<'_>) -> Result<(), Errors> {
    let mut errors = Map::new();
    for (key, value) in document {
        let result = match (key.as_str(), judge(key, value)) {
            (_, Some(result)) => result,
            ("_format_version", _) => format_version(value),
            ("_transform", _) => messages::expect(value.is_boolean() || value.is_null(), messages::BOOLEAN),
            ("_comment", _) => comment(value),
            ("_ignore", _) => messages::expect(is_sequence(value) || value.is_null(), messages::ARRAY),
            _ => Err(Value::from(messages::UNKNOWN)),
        };
        if let Err(error) = result {
            errors.insert(key.clone(), error);
        }
    }
    if !document.contains_key("_format_version") {
        errors.insert("_format_version".to_owned(), Value::from(messages::REQUIRED));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn format_version(value: &Value) -> Result<(), Value> {
    match value {
        Value::Null => Err(Value::from(messages::REQUIRED)),
        Value::String(version) => {
            let known = matches!(version.as_str(), "1.1" | "2.1" | "3.0");
            messages::expect(known, "expected one of: 1.1, 2.1, 3.0")
        }
        _ => Err(Value::from(messages::STRING)),
    }
}

fn comment(value: &Value) -> Result<(), Value> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => messages::expect(!text.is_empty(), "length must be at least 1"),
        _ => Err(Value::from(messages::STRING)),
    }
}

fn is_sequence(value: &Value) -> bool {
    value.is_array() || value.as_object().is_some_and(Map::is_empty)
}

/// Checks the entities of one list; the error is a list with nulls in the places of good ones.
fn list(
    kinds: &Kinds,
    kind: &str,
    value: &Value,
    variant: Variant,
) -> Result<Vec<Option<FilledEntity>>, Value> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(table) if table.is_empty() => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err(Value::from(messages::ARRAY)),
    };
    let mut errors = Vec::new();
    let mut filled = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let result = match item {
            Value::Null => Err(Value::from(messages::REQUIRED)),
            Value::Object(item) => entity(kinds, kind, item, variant).map_err(Value::Object),
            Value::Array(items) if items.is_empty() => {
                entity(kinds, kind, &Map::new(), variant).map_err(Value::Object)
            }
            _ => Err(Value::from(messages::RECORD)),
        };
        match result {
            Ok(entity) => filled.push(Some(entity)),
            Err(error) => {
                errors.resize(index, Value::Null);
                errors.push(error);
            }
        }
    }
    if errors.is_empty() { Ok(filled) } else { Err(Value::Array(errors)) }
}

/// Checks an entity and those listed below it; gives what was filled in.
///
/// # Errors
/// What is wrong with them, by field.
pub(super) fn entity(
    kinds: &Kinds,
    kind: &str,
    item: &Map<String, Value>,
    variant: Variant,
) -> Result<FilledEntity, Errors> {
    let Some(known) = kinds.named(kind) else { return Ok(FilledEntity::default()) };
    let schema = known.variant(variant);
    let filled = schema.process_auto_fields(known.own(item), Context::Insert, &AutoOptions::default())?.data;
    let mut errors = schema.validate(&filled, true, None, None).err().unwrap_or_default();
    let nested = if variant == Variant::Full { Variant::Full } else { Variant::Nested };
    let mut below = Filled::new();
    for (key, value) in item.iter().filter(|(key, _)| known.is_child(key)) {
        match list(kinds, key, value, nested) {
            Ok(items) => {
                below.insert(key.clone(), items);
            }
            Err(error) => {
                errors.insert(key.clone(), error);
            }
        }
    }
    if errors.is_empty() { Ok(FilledEntity { entity: filled, below }) } else { Err(errors) }
}

/// The part of a tree that says of fields that they must be null.
fn only_null_errors(errors: &Value) -> Option<Value> {
    match errors {
        Value::Object(map) => {
            let kept: Map<String, Value> =
                map.iter().filter_map(|(key, error)| Some((key.clone(), only_null_errors(error)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(list) => {
            let kept: Vec<Value> =
                list.iter().map(|error| only_null_errors(error).unwrap_or_default()).collect();
            kept.iter().any(|error| !error.is_null()).then_some(Value::Array(kept))
        }
        Value::String(message) => (message == messages::MUST_BE_NULL).then(|| errors.clone()),
        _ => None,
    }
}

/// Adds the errors of one tree to another; where both have a message the added one stays.
fn merge(errors: &mut Value, added: Value) {
    match (errors, added) {
        (Value::Object(errors), Value::Object(added)) => {
            for (key, error) in added {
                match errors.get_mut(&key) {
                    Some(known) => merge(known, error),
                    None => {
                        errors.insert(key, error);
                    }
                }
            }
        }
        (Value::Array(errors), Value::Array(added)) => {
            errors.resize(errors.len().max(added.len()), Value::Null);
            for (known, error) in errors.iter_mut().zip(added) {
                merge(known, error);
            }
        }
        (_, Value::Null) => {}
        (errors, added) => *errors = added,
    }
}
