//! A document as it reads with the values that the schemas supply, itself unchanged in its form.

use serde_json::{Map, Value};

use super::kinds::{Kind, Kinds, Variant};
use crate::schema::{AutoOptions, Context, Errors};

/// Supplies what the lists of a document leave out; nulls go.
///
/// # Errors
/// Shorthand fields that are wrong, by kind.
pub(super) fn complete(kinds: &Kinds, document: &Map<String, Value>) -> Result<Map<String, Value>, Errors> {
    let mut completed = Map::new();
    for (key, value) in document {
        let value = match kinds.named(key) {
            Some(kind) => list(kinds, kind, value, Variant::ByName)
                .map_err(|errors| Map::from_iter([(key.clone(), errors.into())]))?,
            None => value.clone(),
        };
        completed.insert(key.clone(), value);
    }
    completed.entry("_transform").or_insert(Value::Bool(true));
    Ok(completed)
}

fn list(kinds: &Kinds, kind: &Kind, value: &Value, variant: Variant) -> Result<Value, Errors> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let completed = items.iter().map(|item| entity(kinds, kind, item, variant));
    completed.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn entity(kinds: &Kinds, kind: &Kind, item: &Value, variant: Variant) -> Result<Value, Errors> {
    let Value::Object(item) = item else { return Ok(item.clone()) };
    let options = AutoOptions::default();
    let processed = kind.variant(variant).process_auto_fields(kind.own(item), Context::Select, &options);
    let mut completed = processed?.data;
    for (key, value) in item.iter().filter(|(key, _)| kind.is_child(key)) {
        if let Some(child) = kinds.named(key) {
            completed.insert(key.clone(), list(kinds, child, value, Variant::Nested)?);
        }
    }
    Ok(Value::Object(completed))
}
