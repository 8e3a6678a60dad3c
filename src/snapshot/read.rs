//! Reading the fields of stored entities.
//!
//! Entities come through the schema engine, so a field of another type than its schema's cannot
//! occur; one would read as absent.

use crate::db::Entity;
use serde_json::Value;
use std::sync::Arc;

/// A text field.
pub(super) fn text<'a>(entity: &'a Entity, field: &str) -> Option<&'a str> {
    entity.get(field)?.as_str()
}

/// A text field, shared.
pub(super) fn shared(entity: &Entity, field: &str) -> Option<Arc<str>> {
    text(entity, field).map(Arc::from)
}

/// A number without fraction.
pub(super) fn integer(entity: &Entity, field: &str) -> Option<i64> {
    let value = entity.get(field)?;
    value.as_i64().or_else(|| value.as_f64().map(|n| n as i64))
}

/// A boolean.
pub(super) fn flag(entity: &Entity, field: &str) -> Option<bool> {
    entity.get(field)?.as_bool()
}

/// The elements of an array or set; none when the field is absent.
pub(super) fn list<'a>(entity: &'a Entity, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    entity.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// The texts in an array or set.
pub(super) fn texts(entity: &Entity, field: &str) -> Vec<String> {
    list(entity, field).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The id that a foreign field points to.
pub(super) fn foreign<'a>(entity: &'a Entity, field: &str) -> Option<&'a str> {
    entity.get(field)?.get("id")?.as_str()
}
