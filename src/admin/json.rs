//! Values → JSON text the way the Admin API writes it.
//!
//! *Kong parity* (OpenResty's cjson): `/` is escaped, other text stays UTF-8; numbers have up to 16
//! significant digits and no fraction when they are integers.

use serde_json::Value;

/// Writes `value` without blanks.
pub fn encode(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() < 10_000_000_000_000_000 => {
                text.push_str(itoa::Buffer::new().format(integer));
            }
            _ => text.push_str(&significant_digits(number.as_f64().unwrap_or_default(), 16)),
        },
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(crate::db::lua_literal::key_text(key), text);
                text.push(':');
                write(item, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '/' => text.push_str("\\/"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// C's `%.<digits>g`.
fn significant_digits(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let limit = i32::try_from(digits).unwrap_or(i32::MAX);
    if (-4..limit).contains(&exponent) {
        let decimals = usize::try_from(limit - 1 - exponent).unwrap_or_default();
        let fixed = format!("{number:.decimals$}");
        return match fixed.contains('.') {
            true => fixed.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => fixed,
        };
    }
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_escapes_slashes_and_control_characters_only() {
        assert_eq!(encode(&json!({"next": "/x?é\n\u{1}\u{7f}"})), "{\"next\":\"\\/x?é\\n\\u0001\\u007f\"}");
    }

    #[test]
    fn numbers_have_sixteen_digits_and_no_idle_fraction() {
        let cases = [
            (json!(1), "1"),
            (json!(1.0), "1"),
            (json!(0.1), "0.1"),
            (json!(1_700_000_000.123), "1700000000.123"),
            (json!(-2.5e-7), "-2.5e-07"),
            (json!(1e20), "1e+20"),
            (json!(1e16), "1e+16"),
            (json!(9_007_199_254_740_992_i64), "9007199254740992"),
        ];
        for (value, text) in cases {
            assert_eq!(encode(&value), text);
        }
    }

    #[test]
    fn empty_collections_keep_their_kind() {
        assert_eq!(encode(&json!({"a": [], "b": {}})), "{\"a\":[],\"b\":{}}");
    }
}
