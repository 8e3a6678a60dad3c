//! The rules of the schema of schemas that look at a definition as a whole.

use serde_json::{Map, Value, json};

use super::callback::Verdict;
use super::value::{key_value, sequence};

/// Attributes that a type must declare.
const REQUIRED: [(&str, &[&str]); 5] = [
    ("array", &["elements"]),
    ("set", &["elements"]),
    ("map", &["keys", "values"]),
    ("record", &["fields"]),
    ("json", &["json_schema"]),
];

/// Attributes that only some types can have.
const TYPES_OF: [(&str, &[&str]); 13] = [
    ("between", &["integer", "number"]),
    ("len_eq", &["array", "set", "string", "map"]),
    ("match", &["string"]),
    ("one_of", &["string", "number", "integer"]),
    ("contains", &["array", "set"]),
    ("is_regex", &["string"]),
    ("timestamp", &["number", "integer"]),
    ("uuid", &["string"]),
    ("unique", &["string", "number", "integer", "foreign"]),
    ("unique_across_ws", &["string", "number", "integer", "foreign"]),
    ("abstract", &["string", "number", "integer", "record", "array", "set", "map"]),
    ("json_schema", &["json"]),
    ("transient", &["string", "number", "integer", "array", "set", "boolean"]),
];

type Object = Map<String, Value>;

/// Checks the definition of an entity.
pub(super) fn check_entity(schema: &Object) -> Verdict {
    let mut errors = Object::new();
    let Some(fields) = schema.get("fields") else {
        return Err(Some(json!({"fields": "'fields' must be a table"})));
    };
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if text("endpoint_key").is_some_and(|key| field_of(fields, key).is_none()) {
        errors.insert("endpoint_key".to_owned(), "value must be a field name".into());
    }
    if let Some(fault) =
        schema.get("cache_key").and_then(sequence).and_then(|key| cache_key_fault(fields, key))
    {
        errors.insert("cache_key".to_owned(), fault.into());
    }
    if let Some(key) = text("subschema_key") {
        let fault = match field_of(fields, key) {
            None => Some("value must be a field name"),
            Some(field) if matches!(kind(field), "string" | "set") => None,
            Some(_) => Some("must be a string or set field"),
        };
        if let Some(fault) = fault {
            errors.insert("subschema_key".to_owned(), fault.into());
        }
    }
    let has_ttl = !matches!(schema.get("ttl"), None | Some(Value::Null | Value::Bool(false)));
    if has_ttl && field_of(fields, "ttl").is_some() {
        errors.insert("ttl".to_owned(), "ttl is a reserved field name when ttl is enabled".into());
    }
    check_fields(schema, &mut errors);
    verdict(errors)
}

/// Checks the definition of a configuration.
pub(super) fn check_subschema(schema: &Object) -> Verdict {
    let mut errors = Object::new();
    check_fields(schema, &mut errors);
    verdict(errors)
}

fn verdict(errors: Object) -> Verdict {
    if errors.is_empty() { Ok(()) } else { Err(Some(Value::Object(errors))) }
}

fn kind(field: &Value) -> &str {
    field.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The definition of the field of this name in a list of single-entry tables.
fn field_of<'a>(fields: &'a Value, name: &str) -> Option<&'a Value> {
    sequence(fields)?
        .iter()
        .find_map(|item| item.as_object()?.iter().next().filter(|(key, _)| *key == name))
        .map(|(_, field)| field)
}

/// Whether a dotted path leads to a field; what is behind a foreign field is taken on trust.
fn has_field(fields: &Value, path: &str) -> bool {
    let Some((head, rest)) = path.split_once('.') else {
        return field_of(fields, path).is_some();
    };
    match field_of(fields, head) {
        Some(field) if kind(field) == "foreign" => true,
        Some(field) => field.get("fields").is_some_and(|fields| has_field(fields, rest)),
        None => false,
    }
}

fn cache_key_fault(fields: &Value, key: &[Value]) -> Option<&'static str> {
    let found: Option<Vec<&Value>> =
        key.iter().map(|name| field_of(fields, name.as_str().unwrap_or_default())).collect();
    match found.as_deref() {
        None => Some("values must be field names"),
        Some([single]) if single.get("unique") != Some(&Value::Bool(true)) => {
            Some("a field used as a single cache key must be unique")
        }
        Some(_) => None,
    }
}

fn check_fields(schema: &Object, errors: &mut Object) {
    let fields = schema.get("fields").unwrap_or(&Value::Null);
    check_transformations(schema, fields, errors);
    for item in sequence(fields).unwrap_or_default() {
        let entry = match item {
            Value::Object(entry) => entry.iter().next(),
            Value::Array(list) if list.is_empty() => None,
            _ => {
                errors.insert("fields".to_owned(), "each entry in fields must be a sub-table".into());
                break;
            }
        };
        let Some((name, field)) = entry else {
            errors.insert("fields".to_owned(), "field entry table is empty".into());
            break;
        };
        match field {
            Value::Object(field) => check_field(name, field, errors, fields),
            Value::Array(_) => put(errors, name, "missing type declaration".to_owned()),
            _ => put(errors, name, format!("'{name}' must be a table")),
        }
    }
}

fn put(errors: &mut Object, name: &str, message: String) {
    errors.insert(super::value::display(&key_value(name)), message.into());
}

fn check_transformations(schema: &Object, fields: &Value, errors: &mut Object) {
    let list = schema.get("transformations").and_then(sequence).unwrap_or_default();
    for (place, transformation) in list.iter().enumerate() {
        for part in ["input", "needs"] {
            let names = transformation.get(part).and_then(sequence).unwrap_or_default();
            let mut faults: Vec<Value> = Vec::new();
            for (at, name) in names.iter().filter_map(Value::as_str).enumerate() {
                if !has_field(fields, name) {
                    faults.resize(at, Value::Null);
                    faults.push(format!("invalid field name: {name}").into());
                }
            }
            if !faults.is_empty() {
                add_fault(errors, part, place, faults);
            }
        }
    }
}

fn add_fault(errors: &mut Object, part: &str, place: usize, faults: Vec<Value>) {
    let tree = errors.entry("transformations").or_insert_with(|| json!({}));
    let Some(tree) = tree.as_object_mut() else { return };
    let list = tree.entry(part).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.resize(place, Value::Null);
        list.push(Value::Array(faults));
    }
}

fn check_field(name: &str, field: &Object, errors: &mut Object, siblings: &Value) {
    let Some(kind) = field.get("type").and_then(Value::as_str) else {
        put(errors, name, "missing type declaration".to_owned());
        return;
    };
    let is_abstract_record = kind == "record" && field.get("abstract") == Some(&Value::Bool(true));
    let required = REQUIRED.iter().find(|(of, _)| *of == kind && !is_abstract_record);
    for attribute in required.into_iter().flat_map(|(_, attributes)| attributes.iter()) {
        if !field.contains_key(*attribute) {
            put(errors, name, format!("field of type '{kind}' must declare '{attribute}'"));
        }
    }
    for (attribute, types) in TYPES_OF {
        if field.contains_key(attribute) && !types.contains(&kind) {
            put(errors, name, format!("field of type '{kind}' cannot have attribute '{attribute}'"));
        }
    }
    for nested in ["elements", "keys", "values"] {
        match field.get(nested) {
            None => {}
            Some(Value::Object(definition)) => {
                check_field(name, definition, errors, field.get("fields").unwrap_or(&Value::Null));
            }
            Some(_) => put(errors, name, format!("'{nested}' must be a table")),
        }
    }
    check_parent_key(name, field, errors, siblings);
    if field.contains_key("fields") {
        check_fields(field, errors);
    }
}

fn check_parent_key(name: &str, field: &Object, errors: &mut Object, siblings: &Value) {
    let key = field.get("json_schema").and_then(|rule| rule.get("parent_subschema_key"));
    let Some(key) = key.and_then(Value::as_str) else {
        return;
    };
    let fault = match field_of(siblings, key) {
        None => "value must be a field name of the parent schema",
        Some(parent) if kind(parent) != "string" => "value must be a string field of the parent schema",
        Some(_) => return,
    };
    errors.insert(name.to_owned(), json!({"json_schema": {"parent_subschema_key": fault}}));
}
