//! What happens to an entity that was read: nulls and unknown fields go, vault references are resolved.

use serde_json::{Map, Value};

use super::auto::{AutoOptions, Resolve};
use super::field::{Field, Kind};
use super::record::Record;
use super::reference::{is_reference, is_reference_text};
use super::schema::Schema;
use super::validator::Validator;

/// The vault references found in an entity, by field; they stay with it under `$refs`.
pub(super) struct References<'a> {
    previous: Option<Value>,
    found: Map<String, Value>,
    options: &'a AutoOptions<'a>,
}

impl<'a> References<'a> {
    pub(super) fn new(previous: Option<Value>, options: &'a AutoOptions<'a>) -> Self {
        Self { previous, found: Map::new(), options }
    }

    /// The value as it is used: without nulls unless they are asked for, and with references resolved.
    pub(super) fn finish(&mut self, name: &str, field: &Field, value: Option<Value>) -> Option<Value> {
        let value = match value {
            Some(Value::Null) if !self.options.nulls => return None,
            Some(Value::Number(given)) if matches!(field.kind, Kind::Integer) && given.is_f64() => {
                super::value::number(given.as_f64().unwrap_or_default().floor())
            }
            Some(value) => value,
            None => return None,
        };
        match self.options.resolve {
            Some(resolve) if !self.options.nulls => Some(self.resolve(resolve, name, field, value)),
            _ => Some(value),
        }
    }

    fn resolve(&mut self, resolve: Resolve<'_>, name: &str, field: &Field, mut value: Value) -> Value {
        match (&field.kind, &mut value) {
            (Kind::String, _) if field.referenceable => {
                if is_reference(&value) {
                    let resolved = resolve_text(resolve, &value);
                    self.found.insert(name.to_owned(), value);
                    return resolved;
                }
                self.recall(name);
            }
            (Kind::Array(inner) | Kind::Set(inner), Value::Array(items)) if is_referenceable(inner) => {
                for (place, item) in items.iter_mut().enumerate() {
                    if is_reference(item) {
                        self.collect_place(name, place, item.clone());
                        *item = resolve_text(resolve, item);
                    }
                }
                self.recall(name);
            }
            (Kind::Map(_, inner), Value::Object(object)) if is_referenceable(inner) => {
                for (key, item) in object.iter_mut() {
                    if is_reference(item) {
                        self.collect_key(name, key, item.clone());
                        *item = resolve_text(resolve, item);
                    }
                }
                self.recall(name);
            }
            _ => {}
        }
        value
    }

    fn collect_place(&mut self, name: &str, place: usize, reference: Value) {
        let list = self.found.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.resize(place, Value::Null);
            list.push(reference);
        }
    }

    fn collect_key(&mut self, name: &str, key: &str, reference: Value) {
        let table = self.found.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(table) = table {
            table.insert(key.to_owned(), reference);
        }
    }

    /// Keeps the reference that an already resolved value came from.
    fn recall(&mut self, name: &str) {
        let earlier = self.previous.as_ref().and_then(|previous| previous.get(name));
        if let Some(earlier) = earlier
            && !self.found.contains_key(name)
        {
            self.found.insert(name.to_owned(), earlier.clone());
        }
    }
}

fn is_referenceable(field: &Field) -> bool {
    field.referenceable && matches!(field.kind, Kind::String)
}

fn resolve_text(resolve: Resolve<'_>, value: &Value) -> Value {
    let text = value.as_str().filter(|text| is_reference_text(text)).unwrap_or_default();
    Value::String(resolve(text).unwrap_or_default())
}

/// Ends the reading of an entity: drops empty texts and what the schema does not know, adds `$refs`.
pub(super) fn keep_known(
    record: &Record,
    schema: Option<&Schema>,
    rest: Map<String, Value>,
    filled: &mut Map<String, Value>,
    references: &References<'_>,
    options: &AutoOptions<'_>,
) {
    drop_empty_texts(record, filled, references, options);
    for (key, value) in rest {
        let is_kept = match key.as_str() {
            "$refs" => false,
            "ttl" if schema.is_some_and(|schema| schema.ttl) => options.nulls || !value.is_null(),
            "ws_id" if options.show_ws_id => true,
            _ if value.is_null() && !options.nulls => false,
            key => record.shorthand_fields.iter().any(|shorthand| {
                shorthand.name == key
                    && shorthand
                        .deprecation()
                        .is_some_and(|deprecation| !deprecation.replaced_with.is_empty())
            }),
        };
        if is_kept {
            filled.insert(key, value);
        }
    }
    if !references.found.is_empty() {
        filled.insert("$refs".to_owned(), Value::Object(references.found.clone()));
    }
}

fn drop_empty_texts(
    record: &Record,
    filled: &mut Map<String, Value>,
    references: &References<'_>,
    options: &AutoOptions<'_>,
) {
    filled.retain(|key, value| {
        let is_dropped = value.as_str() == Some("")
            && record.fields.get(key).is_some_and(forbids_empty)
            && !references.found.contains_key(key);
        if is_dropped && options.nulls {
            *value = Value::Null;
        }
        !is_dropped || options.nulls
    });
}

fn forbids_empty(field: &Field) -> bool {
    matches!(field.kind, Kind::String)
        && !field
            .validators
            .iter()
            .any(|validator| matches!(validator, Validator::LenMin(least) if *least <= 0))
}
