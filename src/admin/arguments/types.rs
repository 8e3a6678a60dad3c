//! The types that a schema gives to text from a form.

use serde_json::{Map, Number, Value};

use crate::schema::{Field, Kind, Record, Schema};

/// Gives a form's arguments the types of a schema; text that does not read as its type stays text.
///
/// *Kong parity*: an empty text is null, and a single value of a list is the list's only one.
pub(in crate::admin) fn infer(arguments: &mut Map<String, Value>, schema: &Schema) {
    let subschema = schema.subschema(arguments);
    for (name, field) in schema.record.each_field(subschema.as_deref()) {
        infer_named(arguments, name, field);
    }
    for shorthand in &schema.record.shorthand_fields {
        infer_named(arguments, &shorthand.name, &shorthand.field);
    }
    if schema.ttl
        && let Some(ttl) = arguments.get_mut("ttl")
    {
        to_number(ttl);
    }
}

/// Text from a path or form as a field's value.
pub(in crate::admin) fn infer_value(value: &mut Value, field: &Field) {
    if matches!(value, Value::Bool(false)) {
        return;
    }
    if value.is_null() || value == "" {
        *value = Value::Null;
        return;
    }
    match &field.kind {
        Kind::Number | Kind::Integer => to_number(value),
        Kind::Boolean => to_boolean(value),
        Kind::Array(elements) | Kind::Set(elements) => infer_list(value, elements),
        Kind::Map(_, values) => each(value, |_, value| infer_value(value, values)),
        Kind::Record(Some(record)) if !field.is_abstract => infer_record(value, record),
        Kind::Foreign(foreign) => {
            if let (Value::Object(key), Some(schema)) = (value, &foreign.schema) {
                infer(key, schema);
            }
        }
        _ => {}
    }
}

fn infer_named(arguments: &mut Map<String, Value>, name: &str, field: &Field) {
    if let Some(value) = arguments.get_mut(name) {
        infer_value(value, field);
    }
}

fn infer_list(value: &mut Value, elements: &Field) {
    if !value.is_array() && !value.is_object() {
        *value = Value::Array(vec![value.take()]);
    }
    if let Value::Array(values) = value {
        values.iter_mut().for_each(|value| infer_value(value, elements));
    }
}

fn infer_record(value: &mut Value, record: &Record) {
    each(value, |name, value| {
        if let Some(field) = record.fields.get(name) {
            infer_value(value, field);
        }
        for shorthand in record.shorthand_fields.iter().filter(|shorthand| shorthand.name == name) {
            infer_value(value, &shorthand.field);
        }
    });
}

fn each(value: &mut Value, infer: impl Fn(&str, &mut Value)) {
    if let Value::Object(fields) = value {
        fields.iter_mut().for_each(|(name, value)| infer(name, value));
    }
}

fn to_boolean(value: &mut Value) {
    let flag = value.as_str().and_then(|text| text.parse().ok());
    if let Some(flag) = flag {
        *value = Value::Bool(flag);
    }
}

fn to_number(value: &mut Value) {
    if let Some(number) = value.as_str().and_then(number) {
        *value = Value::Number(number);
    }
}

/// Text that Lua reads as a number: decimal or hexadecimal, with blanks around it.
pub(in crate::admin) fn number(text: &str) -> Option<Number> {
    let text = text.trim_matches(|character: char| character.is_ascii_whitespace());
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text),
    };
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let magnitude = i64::from_str_radix(digits, 16).ok().filter(|_| plain)?;
        return Some(Number::from(if sign < 0.0 { -magnitude } else { magnitude }));
    }
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    text.parse::<i64>()
        .map(Number::from)
        .ok()
        .or_else(|| Number::from_f64(sign * digits.parse::<f64>().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::{Registry, RouterFlavor};

    fn inferred(kind: &str, arguments: Value) -> Value {
        let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
        let mut arguments = arguments.as_object().unwrap().clone();
        infer(&mut arguments, &registry.named(kind).unwrap());
        Value::Object(arguments)
    }

    #[test]
    fn text_gets_the_type_of_its_field() {
        let service =
            json!({"port": "80", "enabled": "false", "tags": "a", "retries": "many", "path": "", "url": ""});
        let expected = json!({"port": 80, "enabled": false, "tags": ["a"], "retries": "many", "path": null, "url": null});
        assert_eq!(inferred("services", service), expected);
        let route = json!({"headers": {"x": ["1", ""]}, "service": {"id": ""}, "regex_priority": "1.5"});
        let expected = json!({"headers": {"x": ["1", null]}, "service": {"id": null}, "regex_priority": 1.5});
        assert_eq!(inferred("routes", route), expected);
        let upstream =
            json!({"healthchecks": {"active": {"timeout": "2", "healthy": {"http_statuses": "200"}}}});
        let expected =
            json!({"healthchecks": {"active": {"timeout": 2, "healthy": {"http_statuses": [200]}}}});
        assert_eq!(inferred("upstreams", upstream), expected);
    }

    #[test]
    fn numbers_are_those_that_lua_reads() {
        for (text, expected) in [
            ("1", Some(json!(1))),
            (" -2 ", Some(json!(-2))),
            ("1e3", Some(json!(1000.0))),
            ("0x10", Some(json!(16))),
            (".5", Some(json!(0.5))),
            ("nan", None),
            ("inf", None),
            ("", None),
            ("1x", None),
            ("+1", None),
        ] {
            assert_eq!(number(text).map(Value::Number), expected, "{text:?}");
        }
    }
}
