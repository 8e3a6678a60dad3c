//! Fields whose values a JSON schema (draft 4) describes, such as the configuration of filters.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::lua_pattern::LuaPattern;
use super::validate::table;
use super::value::{deep_equal, display, is_table, sequence};

/// Where the JSON schema of a field comes from.
#[derive(Debug, Clone, Default)]
pub struct JsonRule {
    /// The schema itself.
    pub inline: Option<Value>,
    /// The first part of the name under which the schema is stored.
    pub namespace: Option<String>,
    /// The field of the same record whose value is the second part.
    pub parent_subschema_key: Option<String>,
    /// A value without a schema is accepted.
    pub optional: bool,
    /// The schema when none is stored.
    pub default: Option<Value>,
}

thread_local! {
    static STORED: RefCell<HashMap<String, Rc<Value>>> = RefCell::default();
}

/// Stores a schema under a name such as `proxy-wasm-filters/my-filter`, for this thread.
pub fn store(name: &str, schema: Value) {
    STORED.with_borrow_mut(|stored| stored.insert(name.to_owned(), Rc::new(schema)));
}

/// Validates the value of a field; `input` is the record it stands in.
pub(super) fn validate(
    rule: &JsonRule,
    field: &str,
    value: &Value,
    input: &Map<String, Value>,
) -> Result<(), Value> {
    match find(rule, field, input)? {
        Some(schema) => check(value, &schema).map_err(Value::String),
        None => Ok(()),
    }
}

fn find(rule: &JsonRule, field: &str, input: &Map<String, Value>) -> Result<Option<Rc<Value>>, String> {
    if let Some(inline) = &rule.inline {
        return Ok(Some(Rc::new(inline.clone())));
    }
    let key = rule.parent_subschema_key.as_deref().unwrap_or_default();
    let Some(chosen) = input.get(key).filter(|chosen| !chosen.is_null()) else {
        let missing =
            format!("validation of {field} depends on the parent attribute {key}, but it is not set");
        return if rule.optional { Ok(None) } else { Err(missing) };
    };
    let name = format!("{}/{}", rule.namespace.as_deref().unwrap_or_default(), display(chosen));
    let stored = STORED.with_borrow(|stored| stored.get(&name).cloned());
    match stored.or_else(|| rule.default.clone().map(Rc::new)) {
        None if !rule.optional => Err(format!("mandatory json schema for field ({name}) not found")),
        found => Ok(found),
    }
}

/// Checks a value against a JSON schema: types, enumerations, bounds, properties and items.
///
/// # Errors
/// What is wrong, in the words of the Lua library that Kong uses.
pub fn check(value: &Value, schema: &Value) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return Ok(());
    };
    check_type(value, rules.get("type"))?;
    if let Some(Value::Array(options)) = rules.get("enum")
        && !options.iter().any(|option| deep_equal(option, value))
    {
        return Err("matches none of the enum values".to_owned());
    }
    check_number(value, rules)?;
    check_text(value, rules)?;
    check_items(value, rules)?;
    check_properties(value, rules)?;
    check_combinations(value, rules)
}

fn check_type(value: &Value, wanted: Option<&Value>) -> Result<(), String> {
    let wanted: Vec<&str> = match wanted {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if wanted.iter().any(|name| has_type(value, name)) {
        return Ok(());
    }
    let list = match wanted.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("one of {}", many.join(", ")),
    };
    Err(format!("wrong type: expected {list}, got {}", type_name(value)))
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number == number.trunc()),
        "array" => sequence(value).is_some(),
        "object" => {
            matches!(value, Value::Object(_)) || matches!(value, Value::Array(items) if items.is_empty())
        }
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

fn check_number(value: &Value, rules: &Map<String, Value>) -> Result<(), String> {
    let Some(number) = value.as_f64() else {
        return Ok(());
    };
    let limit = |name: &str| rules.get(name).and_then(Value::as_f64);
    let is_exclusive = |name: &str| rules.get(name).and_then(Value::as_bool) == Some(true);
    if let Some(least) = limit("minimum")
        && (number < least || (is_exclusive("exclusiveMinimum") && number == least))
    {
        let word = if is_exclusive("exclusiveMinimum") { "strictly greater" } else { "greater" };
        return Err(format!(
            "expected {} to be {word} than {}",
            display(value),
            super::value::display_number(least)
        ));
    }
    if let Some(most) = limit("maximum")
        && (number > most || (is_exclusive("exclusiveMaximum") && number == most))
    {
        let word = if is_exclusive("exclusiveMaximum") { "strictly smaller" } else { "smaller" };
        return Err(format!(
            "expected {} to be {word} than {}",
            display(value),
            super::value::display_number(most)
        ));
    }
    match limit("multipleOf") {
        Some(unit) if unit != 0.0 && (number / unit).fract() != 0.0 => Err(format!(
            "expected {} to be a multiple of {}",
            display(value),
            super::value::display_number(unit)
        )),
        _ => Ok(()),
    }
}

fn check_text(value: &Value, rules: &Map<String, Value>) -> Result<(), String> {
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    let length = text.chars().count() as u64;
    let limit = |name: &str| rules.get(name).and_then(Value::as_u64);
    if let Some(least) = limit("minLength").filter(|least| length < *least) {
        return Err(format!("string too short, expected at least {least}, got {length}"));
    }
    if let Some(most) = limit("maxLength").filter(|most| length > *most) {
        return Err(format!("string too long, expected at most {most}, got {length}"));
    }
    match rules.get("pattern").and_then(Value::as_str) {
        Some(pattern) if !matches_pattern(pattern, text) => {
            Err(format!("failed to match pattern '{pattern}' with '{text}'"))
        }
        _ => Ok(()),
    }
}

/// A pattern that is no regular expression is tried as a Lua pattern, and else matches nothing.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pcre2::bytes::Regex::new(pattern) {
        Ok(regex) => regex.is_match(text.as_bytes()).unwrap_or(false),
        Err(_) => LuaPattern::new(pattern).is_ok_and(|pattern| pattern.is_match(text)),
    }
}

fn check_items(value: &Value, rules: &Map<String, Value>) -> Result<(), String> {
    let Value::Array(items) = value else {
        return Ok(());
    };
    let limit = |name: &str| rules.get(name).and_then(Value::as_u64);
    let count = items.len() as u64;
    if let Some(least) = limit("minItems").filter(|least| count < *least) {
        return Err(format!("expect array to have at least {least} items"));
    }
    if let Some(most) = limit("maxItems").filter(|most| count > *most) {
        return Err(format!("expect array to have at most {most} items"));
    }
    for (place, item) in items.iter().enumerate() {
        let schema = match rules.get("items") {
            Some(Value::Array(schemas)) => schemas.get(place),
            schema => schema,
        };
        if let Some(schema) = schema {
            check(item, schema).map_err(|error| format!("failed to validate item {}: {error}", place + 1))?;
        }
    }
    Ok(())
}

fn check_properties(value: &Value, rules: &Map<String, Value>) -> Result<(), String> {
    if !is_table(value) {
        return Ok(());
    }
    let object = table(value);
    for name in rules.get("required").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = name.as_str().filter(|name| !object.contains_key(*name)) {
            return Err(format!("property {name} is required"));
        }
    }
    let known = rules.get("properties").and_then(Value::as_object);
    for (name, member) in object.iter() {
        match known.and_then(|known| known.get(name)) {
            Some(schema) => check(member, schema)
                .map_err(|error| format!("property {name} validation failed: {error}"))?,
            None => match rules.get("additionalProperties") {
                Some(Value::Bool(false)) if !name.starts_with('\0') => {
                    return Err(format!("additional properties forbidden, found {name}"));
                }
                Some(schema @ Value::Object(_)) => check(member, schema)
                    .map_err(|error| format!("failed to validate additional property {name}: {error}"))?,
                _ => {}
            },
        }
    }
    Ok(())
}

fn check_combinations(value: &Value, rules: &Map<String, Value>) -> Result<(), String> {
    let schemas = |name: &str| rules.get(name).and_then(Value::as_array);
    if let Some(all) = schemas("allOf") {
        for (place, schema) in all.iter().enumerate() {
            check(value, schema).map_err(|error| format!("allOf {} failed: {error}", place + 1))?;
        }
    }
    if let Some(any) = schemas("anyOf")
        && !any.iter().any(|schema| check(value, schema).is_ok())
    {
        return Err("object matches none of the required".to_owned());
    }
    if let Some(one) = schemas("oneOf")
        && one.iter().filter(|schema| check(value, schema).is_ok()).count() != 1
    {
        return Err("value should match only one schema, but matches none or several".to_owned());
    }
    match rules.get("not") {
        Some(schema) if check(value, schema).is_ok() => {
            Err("value wasn't supposed to match schema".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_checked_against_types_bounds_and_properties() {
        let schema = json!({
            "type": "object",
            "properties": {"n": {"type": "integer", "minimum": 1}, "s": {"enum": ["a", "b"]}},
            "required": ["n"],
            "additionalProperties": false,
        });
        assert_eq!(check(&json!({"n": 1, "s": "a"}), &schema), Ok(()));
        let cases = [
            (json!("x"), "wrong type: expected object, got string"),
            (json!({}), "property n is required"),
            (json!({"n": 0}), "property n validation failed: expected 0 to be greater than 1"),
            (json!({"n": 1, "s": "c"}), "property s validation failed: matches none of the enum values"),
            (json!({"n": 1, "x": 1}), "additional properties forbidden, found x"),
        ];
        for (value, message) in cases {
            assert_eq!(check(&value, &schema), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_schema_is_found_by_the_value_of_another_field() {
        let rule = JsonRule {
            namespace: Some("filters".to_owned()),
            parent_subschema_key: Some("name".to_owned()),
            optional: true,
            default: Some(json!({"type": ["string", "null"]})),
            ..JsonRule::default()
        };
        store("filters/tests", json!({"type": "number"}));
        let named = |name: &str| Map::from_iter([("name".to_owned(), json!(name))]);
        assert_eq!(validate(&rule, "config", &json!(1), &named("tests")), Ok(()));
        assert!(validate(&rule, "config", &json!(1), &named("unknown")).is_err());
        assert_eq!(validate(&rule, "config", &json!("x"), &named("unknown")), Ok(()));
    }
}
