//! Lua's view of JSON values: equality, emptiness, lengths, text forms and dotted paths.
//!
//! A key that is absent is Lua's `nil`, `null` is `ngx.null`. A Lua table is an array or an object; an empty
//! one is both. Two things that JSON has no form for are marked by a leading NUL, which no configuration
//! can contain as a key: a number used as a table key, and a value that only Lua knows (a function).

use serde_json::{Map, Number, Value};

use super::text;

/// Marks a table key that is a number, before its digits.
const NUMBER_KEY: &str = "\0#";

/// The only key of the object that stands for a function, a userdata or a thread of a Lua VM.
const OPAQUE: &str = "\0opaque";

/// Lua's `==`: numbers by value, tables never (each stands for its own table).
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(_) | Value::Object(_), _) => false,
        _ => left == right,
    }
}

/// Deep equality, with numbers compared by value and an empty array equal to an empty object.
pub fn deep_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| deep_equal(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, a)| right.get(key).is_some_and(|b| deep_equal(a, b)))
        }
        (Value::Array(array), Value::Object(object)) | (Value::Object(object), Value::Array(array)) => {
            array.is_empty() && object.is_empty()
        }
        _ => equal(left, right),
    }
}

/// Whether a field counts as given: not absent, null, `""` or an empty table.
pub fn is_given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(object)) => !object.is_empty(),
        Some(_) => true,
    }
}

/// The items of a value that is a sequence; an empty table is one.
pub fn sequence(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(object) if object.is_empty() => Some(&[]),
        _ => None,
    }
}

/// Whether the value is a Lua table.
pub fn is_table(value: &Value) -> bool {
    matches!(value, Value::Array(_)) || matches!(value, Value::Object(_) if !is_opaque(value))
}

/// Lua's `tostring`, the way error messages print values.
pub fn display(value: &Value) -> String {
    match value {
        Value::Null => "userdata: NULL".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => display_number(number.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) if is_opaque(value) => "function: builtin".to_owned(),
        Value::Array(_) | Value::Object(_) => format!("table: {value:p}"),
    }
}

/// A number in Lua's `%.14g`.
pub fn display_number(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return (number as i64).to_string();
    }
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let exponent = number.abs().log10().floor() as i32;
    if (-5..15).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or_default();
        let fixed = format!("{number:.decimals$}");
        return fixed.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let scientific = format!("{number:.13e}");
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A number as JSON, without a fraction when it is an integer: Lua has one number type.
pub fn number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number == number.trunc() && number.abs() <= EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Lua's `#` as length validators use it; a map also counts its keys.
pub fn length(value: &Value) -> usize {
    match value {
        Value::String(string) => text::to_bytes(string).len(),
        Value::Array(items) => items.len(),
        _ => 0,
    }
}

/// The value at a dotted path such as `config.redis.host`.
pub fn at<'a>(table: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((head, rest)) => at(table.get(head)?.as_object()?, rest),
    }
}

/// Puts a value at a dotted path, making the tables on the way.
pub fn put(table: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((head, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(head).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Some(inner) = inner.as_object_mut() {
        put(inner, rest, value);
    }
}

/// The object key that stands for a number used as a table key.
pub fn number_key(number: f64) -> String {
    format!("{NUMBER_KEY}{}", display_number(number))
}

/// A table key as the value it is in Lua: a string, or a number.
pub fn key_value(key: &str) -> Value {
    match key.strip_prefix(NUMBER_KEY).and_then(|digits| digits.parse().ok()) {
        Some(digits) => number(digits),
        None => Value::String(key.to_owned()),
    }
}

/// The object that stands for the Lua value of this number in a VM.
pub fn opaque(id: u64) -> Value {
    Value::Object(Map::from_iter([(OPAQUE.to_owned(), Value::from(id))]))
}

/// The number of the Lua value that this object stands for.
pub fn opaque_id(value: &Value) -> Option<u64> {
    value.as_object()?.get(OPAQUE)?.as_u64()
}

/// Whether the value stands for something only Lua knows, such as a function.
pub fn is_opaque(value: &Value) -> bool {
    opaque_id(value).is_some()
}

/// Words in quotes, with a comma between them; used by most entity checks.
pub fn quoted_list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.as_ref())).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_print_as_lua_prints_them() {
        let cases = [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1e+15"),
            (123456.789, "123456.789"),
            (1.0 / 3.0, "0.33333333333333"),
            (0.0001, "0.0001"),
            (0.000001, "1e-06"),
        ];
        for (number, text) in cases {
            assert_eq!(display_number(number), text);
        }
    }

    #[test]
    fn equality_is_by_value_for_scalars_and_never_for_tables() {
        assert!(equal(&json!(1), &json!(1.0)));
        assert!(!equal(&json!({}), &json!({})));
        assert!(deep_equal(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(deep_equal(&json!([]), &json!({})));
    }

    #[test]
    fn a_path_reaches_into_records_and_makes_them() {
        let mut table = Map::new();
        put(&mut table, "a.b.c", json!(1));
        assert_eq!(at(&table, "a.b.c"), Some(&json!(1)));
        assert_eq!(at(&table, "a.x.c"), None);
    }
}
