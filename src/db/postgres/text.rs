//! Values as the simple protocol sends them: as text.

use serde_json::Value;
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{Column, Row, TypeInfo, ValueRef};

use crate::db::Entity;

/// The values of a row that came over the simple protocol, by the names of their columns.
///
/// *Kong parity*: numbers, booleans, JSON and arrays are what they are, anything else is text.
pub(super) fn text_row(row: &PgRow) -> Result<Entity, sqlx::Error> {
    let value = |column: &PgColumn| -> Result<(String, Value), sqlx::Error> {
        let raw = row.try_get_raw(column.ordinal())?;
        let value = if raw.is_null() {
            Value::Null
        } else {
            let text = raw.as_str().map_err(sqlx::Error::Decode)?;
            typed(raw.type_info().name(), text)
        };
        Ok((column.name().to_owned(), value))
    };
    row.columns().iter().map(value).collect()
}

fn typed(name: &str, text: &str) -> Value {
    match name {
        "BOOL" => Value::Bool(text == "t"),
        "INT2" | "INT4" | "INT8" | "FLOAT4" | "FLOAT8" | "NUMERIC" | "JSON" | "JSONB" => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        name => match name.strip_suffix("[]") {
            Some(element) => array(element, text).unwrap_or_else(|| Value::from(text)),
            None => Value::from(text),
        },
    }
}

/// Reads `{a,"b c",NULL,{d}}`.
fn array(element: &str, text: &str) -> Option<Value> {
    let (value, rest) = nested(element, text.strip_prefix('{')?)?;
    rest.is_empty().then_some(value)
}

/// Reads elements up to the brace that ends them; gives what follows, too.
fn nested<'a>(element: &str, mut text: &'a str) -> Option<(Value, &'a str)> {
    let mut items = Vec::new();
    loop {
        let (item, rest) = match text.as_bytes().first()? {
            b'}' => return Some((Value::Array(items), text.get(1..)?)),
            b',' => {
                text = text.get(1..)?;
                continue;
            }
            b'{' => nested(element, text.get(1..)?)?,
            b'"' => {
                let (item, rest) = quoted(text.get(1..)?)?;
                (typed(element, &item), rest)
            }
            _ => {
                let end = text.find([',', '}'])?;
                let (item, rest) = text.split_at_checked(end)?;
                (if item == "NULL" { Value::Null } else { typed(element, item) }, rest)
            }
        };
        items.push(item);
        text = rest;
    }
}

/// Reads up to the quote that ends an element.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut item = String::new();
    let mut chars = text.char_indices();
    while let Some((place, char)) = chars.next() {
        match char {
            '"' => return Some((item, text.get(place + 1..)?)),
            '\\' => item.push(chars.next()?.1),
            other => item.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_get_the_types_of_their_columns() {
        assert_eq!(typed("BOOL", "t"), json!(true));
        assert_eq!(typed("NUMERIC", "1.5"), json!(1.5));
        assert_eq!(typed("JSONB", "{\"a\": 1}"), json!({"a": 1}));
        assert_eq!(typed("TIMESTAMPTZ", "2024-01-01 00:00:00+00"), json!("2024-01-01 00:00:00+00"));
    }

    #[test]
    fn arrays_are_read_with_their_quotes() {
        assert_eq!(typed("TEXT[]", "{}"), json!([]));
        assert_eq!(
            typed("TEXT[]", r#"{a,"b, \"c\" \\","",NULL,"NULL"}"#),
            json!(["a", "b, \"c\" \\", "", null, "NULL"])
        );
        assert_eq!(typed("INT4[]", "{{1,2},{3,4}}"), json!([[1, 2], [3, 4]]));
        assert_eq!(typed("JSONB[]", r#"{"{\"ip\": \"1.1.1.1\"}"}"#), json!([{"ip": "1.1.1.1"}]));
    }
}
