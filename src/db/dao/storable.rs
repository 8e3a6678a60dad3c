//! What databases can keep of what schemas allow.
//!
//! Each database keeps some values otherwise than they were given, or not at all: UUIDs have one case, text has no
//! NUL, numbers have an end. All of them are made to do the same, and to say so in time.

use serde_json::Value;

use super::Kind;
use crate::db::{DbError, Entity, FieldKind};

/// The first second that is too late for a time: in the year 294276.
const END_OF_TIME: f64 = 9_224_318_016_000.0;
/// The first number that is too large for a whole one.
const END_OF_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

impl Kind<'_> {
    /// An entity as it can be kept.
    ///
    /// # Errors
    /// A schema violation for each field that cannot be.
    pub(super) fn storable(&self, mut entity: Entity) -> Result<Entity, DbError> {
        let mut errors = Entity::new();
        for field in &self.model.fields {
            let Some(value) = entity.get_mut(&field.name) else { continue };
            if let Err(message) = keep(value, &field.kind) {
                errors.insert(field.name.clone(), Value::from(message));
            }
        }
        if errors.is_empty() { Ok(entity) } else { Err(DbError::schema_violation(errors)) }
    }

    /// Whether an entity that is not put at a key of its own has a whole one.
    ///
    /// # Errors
    /// *Kong parity*: a key that is null is told as one that is in use.
    pub(super) fn check_key(&self, entity: &Entity) -> Result<(), DbError> {
        let is_null = |name: &String| entity.get(name).is_some_and(Value::is_null);
        match self.model.primary_key.iter().any(is_null) {
            true => Err(DbError::primary_key_violation(self.model.primary_key_of(entity))),
            false => Ok(()),
        }
    }
}

/// A primary key with its UUIDs in the case that they are kept in.
pub(super) fn canonical(mut key: Entity) -> Entity {
    key.values_mut().for_each(lower);
    key
}

fn keep(value: &mut Value, kind: &FieldKind) -> Result<(), &'static str> {
    const OUT_OF_RANGE: &str = "value is out of range";
    match (kind, value) {
        (FieldKind::Uuid, value @ Value::String(_)) => lower(value),
        (FieldKind::Foreign(_), Value::Object(key)) => key.values_mut().for_each(lower),
        (FieldKind::Array(elements) | FieldKind::Set(elements), Value::Array(values)) => {
            return values.iter_mut().try_for_each(|value| keep(value, elements));
        }
        (FieldKind::Timestamp, Value::Number(number))
            if number.as_f64().is_some_and(|n| n >= END_OF_TIME) =>
        {
            return Err(OUT_OF_RANGE);
        }
        (FieldKind::Integer, Value::Number(number))
            if number.as_f64().is_some_and(|n| n.abs() >= END_OF_INTEGERS) =>
        {
            return Err(OUT_OF_RANGE);
        }
        (_, value) if has_nul(value) => return Err("must not contain NUL characters"),
        _ => {}
    }
    Ok(())
}

fn lower(value: &mut Value) {
    if let Value::String(text) = value
        && crate::schema::is_uuid(text)
    {
        text.make_ascii_lowercase();
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uuids_have_small_letters_and_other_text_is_left_alone() {
        let id = "A0000000-0000-4000-8000-00000000000F";
        let small = id.to_lowercase();
        for (kind, given, kept) in [
            (FieldKind::Uuid, json!(id), json!(small)),
            (FieldKind::Text, json!(id), json!(id)),
            (FieldKind::Foreign("services".to_owned()), json!({"id": id}), json!({"id": small})),
            (FieldKind::Set(Box::new(FieldKind::Uuid)), json!([id, null]), json!([small, null])),
        ] {
            let mut value = given;
            assert_eq!(keep(&mut value, &kind), Ok(()));
            assert_eq!(value, kept);
        }
    }

    #[test]
    fn what_no_column_holds_is_refused() {
        for (kind, value) in [
            (FieldKind::Text, json!("a\u{0}b")),
            (FieldKind::Json, json!({"a": [{"b\u{0}": 1}]})),
            (FieldKind::Set(Box::new(FieldKind::Text)), json!(["\u{0}"])),
            (FieldKind::Integer, json!(1e30)),
            (FieldKind::Timestamp, json!(1e30)),
        ] {
            assert!(keep(&mut value.clone(), &kind).is_err(), "{value}");
        }
        assert!(keep(&mut json!(i64::MAX / 2), &FieldKind::Integer).is_ok());
    }
}
