//! Values of entities as parameters of statements.

use serde_json::{Number, Value};

use super::session::Parameter;

/// A value as the text that a column of a type takes.
pub(super) fn parameter(value: &Value, sql_type: &str) -> Parameter {
    match value {
        Value::Null => None,
        value if sql_type == "jsonb" || sql_type == "json" => Some(value.to_string()),
        Value::Array(items) => Some(array(items, sql_type.strip_suffix("[]").unwrap_or("text"))),
        // *Kong parity*: an empty table of Lua may stand for an empty list
        Value::Object(fields) if fields.is_empty() && sql_type.ends_with("[]") => Some("{}".to_owned()),
        value => Some(text(value)),
    }
}

/// Parameters as one list of texts.
pub(super) fn texts(parameters: impl Iterator<Item = Parameter>) -> String {
    let items = parameters.map(|parameter| parameter.map_or_else(|| "NULL".to_owned(), |text| quoted(&text)));
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

/// `{"a","b"}`; lists within are lists.
fn array(items: &[Value], element: &str) -> String {
    let items = items.iter().map(|item| match item {
        Value::Null => "NULL".to_owned(),
        Value::Array(items) if !element.starts_with("json") => array(items, element),
        item if element.starts_with("json") => quoted(&item.to_string()),
        item => quoted(&text(item)),
    });
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number_text(number),
        other => other.to_string(),
    }
}

/// Lua has one kind of numbers, so that a whole one may come with a fraction of zero.
fn number_text(number: &Number) -> String {
    /// Whole numbers below are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            (float as i64).to_string()
        }
        _ => number.to_string(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_their_columns_take_them() {
        for (value, sql_type, expected) in [
            (json!("it's"), "text", "it's"),
            (json!(80.0), "bigint", "80"),
            (json!(1.5), "double precision", "1.5"),
            (json!(true), "boolean", "true"),
            (json!({"a": [1]}), "jsonb", "{\"a\":[1]}"),
            (json!(["a,b", "c\"\\", null]), "text[]", r#"{"a,b","c\"\\",NULL}"#),
            (json!([["a"], ["b"]]), "text[]", r#"{{"a"},{"b"}}"#),
            (json!([{"ip": "::1"}]), "jsonb[]", r#"{"{\"ip\":\"::1\"}"}"#),
            (json!([]), "text[]", "{}"),
            (json!({}), "text[]", "{}"),
            (json!({"a": 1}), "text", "{\"a\":1}"),
        ] {
            assert_eq!(parameter(&value, sql_type).as_deref(), Some(expected), "{value} {sql_type}");
        }
        assert_eq!(parameter(&Value::Null, "jsonb"), None);
    }
}
