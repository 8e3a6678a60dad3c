//! Plugin schemas of Kong 0.x and 1.x, rewritten into the form that came after.
//!
//! The old form lists the configuration's fields by name, at the top: `fields = { limit = { type = "number" } }`,
//! with `no_consumer` beside them. *Kong parity*: the rewriting is that of the last releases that read both
//! forms; `func` and `self_check` validators are left out, as they were there. A field with `new_type` says
//! itself what it becomes.

use serde_json::{Map, Value, json};

/// Whether a definition is of the old form.
pub fn is_legacy(definition: &Value) -> bool {
    match definition.get("fields") {
        Some(Value::Object(fields)) => !fields.is_empty() || definition.get("name").is_none(),
        Some(Value::Array(fields)) => fields.is_empty() && definition.get("name").is_none(),
        Some(_) => false,
        None => definition.get("no_consumer").is_some(),
    }
}

/// The definition in the new form, and what the log should say about it.
pub fn convert(name: &str, definition: &Value) -> (Value, Vec<String>) {
    let mut warnings = vec![format!(
        "the schema of plugin '{name}' is written in the form of Kong 0.x; rewrite it with 'name' and a list of \
         'fields'"
    )];
    let mut config = json!({"type": "record", "required": true});
    let fields = convert_fields(definition, name, &mut warnings);
    if let Some(config) = config.as_object_mut() {
        config.insert("fields".to_owned(), fields);
    }
    let mut out = vec![json!({"config": config})];
    for (flag, field, entity) in [
        ("no_consumer", "consumer", "consumers"),
        ("no_route", "route", "routes"),
        ("no_service", "service", "services"),
    ] {
        if definition.get(flag) == Some(&Value::Bool(true)) {
            out.push(json!({field: {"type": "foreign", "reference": entity, "eq": null}}));
        }
    }
    let mut new = json!({"name": name, "fields": out});
    if let (Some(checks), Some(new)) = (definition.get("entity_checks"), new.as_object_mut()) {
        new.insert("entity_checks".to_owned(), checks.clone());
    }
    (new, warnings)
}

fn convert_fields(definition: &Value, name: &str, warnings: &mut Vec<String>) -> Value {
    let empty = Map::new();
    let fields = definition.get("fields").and_then(Value::as_object).unwrap_or(&empty);
    for unread in ["self_check", "check"] {
        if definition.get(unread).is_some() {
            warnings.push(format!("plugin '{name}': '{unread}' of its schema is not run"));
        }
    }
    fields
        .iter()
        .map(|(field, old)| json!({field.as_str(): convert_field(old, field, name, warnings)}))
        .collect()
}

fn convert_field(old: &Value, field: &str, plugin: &str, warnings: &mut Vec<String>) -> Value {
    if let Some(new) = old.get("new_type") {
        return new.clone();
    }
    let mut new = typed(old, plugin, warnings);
    for kept in ["required", "unique", "immutable", "default"] {
        match old.get(kept) {
            Some(value) if super::value::is_opaque(value) => {
                warnings.push(format!(
                    "plugin '{plugin}': '{kept}' of field '{field}' is a function, which is not run"
                ));
            }
            Some(value) => {
                new.insert(kept.to_owned(), value.clone());
            }
            None => {}
        }
    }
    if old.get("func").is_some() {
        warnings.push(format!("plugin '{plugin}': 'func' of field '{field}' is not run"));
    }
    Value::Object(new)
}

/// A field's type, and what goes with it.
fn typed(old: &Value, plugin: &str, warnings: &mut Vec<String>) -> Map<String, Value> {
    let mut new = Map::new();
    let mut put = |name: &str, value: Value| new.insert(name.to_owned(), value);
    let options = old.get("enum").or_else(|| old.get("one_of")).cloned();
    match old.get("type").and_then(Value::as_str).unwrap_or("string") {
        "array" => {
            let mut elements = json!({"type": "string"});
            if let (Some(options), Some(elements)) = (options, elements.as_object_mut()) {
                elements.insert("one_of".to_owned(), options);
            }
            put("type", json!("array"));
            put("elements", elements);
        }
        "table" => {
            let nested = old.get("schema").cloned().unwrap_or_else(|| json!({"fields": {}}));
            if nested.get("flexible") == Some(&Value::Bool(true)) {
                put("type", json!("map"));
                put("keys", json!({"type": "string"}));
                let values = convert_fields(&nested, plugin, warnings);
                put("values", json!({"type": "record", "fields": values}));
            } else {
                put("type", json!("record"));
                put("required", json!(true));
                put("fields", convert_fields(&nested, plugin, warnings));
            }
        }
        kind => {
            let new_kind = match kind {
                "url" | "id" => "string",
                "timestamp" => "integer",
                kind => kind,
            };
            put("type", json!(new_kind));
            if let Some(options) = options {
                put("one_of", options);
            }
            match kind {
                "url" => put("match", json!("^[%w][%w+.-]*://.+")),
                "id" => put("uuid", json!(true)),
                "timestamp" => put("timestamp", json!(true)),
                "string" => put("len_min", json!(0)),
                _ => None,
            };
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_name_become_a_configuration_record() {
        let old = json!({
            "no_consumer": true,
            "fields": {
                "limit": {"type": "number", "default": 5, "required": true},
                "names": {"type": "array", "enum": ["a", "b"], "func": {"\0opaque": 1}},
                "redis": {"type": "table", "schema": {"fields": {"host": {"type": "string"}}}},
                "when": {"type": "string", "new_type": {"type": "integer", "gt": 0}},
            },
            "entity_checks": [{"at_least_one_of": ["config.limit"]}],
        });
        assert!(is_legacy(&old));
        let (new, warnings) = convert("old", &old);
        assert_eq!(new["name"], "old");
        assert_eq!(new["fields"][1]["consumer"]["eq"], Value::Null);
        let config = &new["fields"][0]["config"]["fields"];
        assert_eq!(config[0]["limit"], json!({"type": "number", "default": 5, "required": true}));
        assert_eq!(config[1]["names"]["elements"]["one_of"], json!(["a", "b"]));
        assert_eq!(config[2]["redis"]["fields"][0]["host"]["len_min"], 0);
        assert_eq!(config[3]["when"], json!({"type": "integer", "gt": 0}));
        assert_eq!(new["entity_checks"][0]["at_least_one_of"][0], "config.limit");
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn the_new_form_is_left_alone() {
        assert!(!is_legacy(&json!({"name": "new", "fields": [{"config": {}}]})));
        assert!(!is_legacy(&json!({"name": "new", "fields": []})));
    }
}
