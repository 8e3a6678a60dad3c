//! What a store keeps of a kind's fields.

use crate::schema::{Field, Kind, Schema, Validator};

/// A field as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredField {
    /// Its name; the column of a foreign field is named `<name>_id`.
    pub name: String,
    /// What its values are.
    pub kind: FieldKind,
}

/// What values of a field are, as far as columns of a table differ by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A UUID.
    Uuid,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// Seconds since 1970, with or without a fraction.
    Timestamp,
    /// `true` or `false`.
    Boolean,
    /// A sequence of such values.
    Array(Box<FieldKind>),
    /// A sequence of different such values.
    Set(Box<FieldKind>),
    /// A table: a map, a record, or whatever a JSON schema describes.
    Json,
    /// The primary key of an entity of this kind.
    Foreign(String),
}

impl StoredField {
    /// The stored fields of a schema, in its order.
    pub(super) fn all_of(schema: &Schema) -> Vec<StoredField> {
        let stored = schema.record.fields.iter().filter(|(_, field)| !field.transient);
        stored.map(|(name, field)| StoredField { name: name.clone(), kind: FieldKind::of(field) }).collect()
    }
}

impl FieldKind {
    fn of(field: &Field) -> FieldKind {
        let is_timestamp = field.validators.iter().any(|validator| matches!(validator, Validator::Timestamp));
        match &field.kind {
            Kind::String if field.is_uuid() => FieldKind::Uuid,
            Kind::Integer | Kind::Number if is_timestamp => FieldKind::Timestamp,
            Kind::Integer => FieldKind::Integer,
            Kind::Number => FieldKind::Number,
            Kind::Boolean => FieldKind::Boolean,
            Kind::Array(elements) => FieldKind::Array(Box::new(FieldKind::of(elements))),
            Kind::Set(elements) => FieldKind::Set(Box::new(FieldKind::of(elements))),
            Kind::Foreign(foreign) => FieldKind::Foreign(foreign.reference.clone()),
            Kind::Record(_) | Kind::Map(..) | Kind::Json(_) => FieldKind::Json,
            _ => FieldKind::Text,
        }
    }
}
