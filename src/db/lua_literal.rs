//! Values written as Lua table constructors, the form in which error messages quote keys and trees.
//!
//! *Kong parity*: Penlight's pretty printer: sequence items first, then named keys in order, then
//! other numbers; names that are no identifiers in brackets.
//!
//! Nulls in a list are holes: error trees have them in the places of good items.
//!
//! A key that is a number in Lua begins with [`NUMBER_KEY`] here, since JSON has only text keys.

use serde_json::{Map, Value};

/// Marks a key that is a number.
pub const NUMBER_KEY: &str = "\0#";

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// On one line without blanks.
pub fn compact(value: &Value) -> String {
    let mut lines = Vec::new();
    write(value, "", "", "", &mut lines);
    finish(lines, "")
}

/// One item a line, indented by two blanks a level.
pub fn indented(value: &Value) -> String {
    let mut lines = Vec::new();
    write(value, "", "  ", "", &mut lines);
    finish(lines, "\n")
}

/// The key that stands for a number.
pub fn number_key(number: usize) -> String {
    format!("{NUMBER_KEY}{number}")
}

/// A key as people read it.
pub fn key_text(key: &str) -> &str {
    key.strip_prefix(NUMBER_KEY).unwrap_or(key)
}

/// The number a key stands for.
pub fn key_number(key: &str) -> Option<usize> {
    key.strip_prefix(NUMBER_KEY)?.parse().ok()
}

/// Orders keys as Lua code that sorts them does: numbers by value, then texts.
pub fn sort_key(key: &str) -> (bool, usize, &str) {
    match key_number(key) {
        Some(number) => (false, number, ""),
        None => (true, 0, key),
    }
}

fn finish(mut lines: Vec<String>, separator: &str) -> String {
    drop_comma(&mut lines);
    lines.join(separator)
}

fn drop_comma(lines: &mut [String]) {
    if let Some(last) = lines.last_mut()
        && last.ends_with(',')
    {
        last.pop();
    }
}

/// Appends the lines of `value`, the first of which begins with `lead`.
fn write(value: &Value, lead: &str, step: &str, indent: &str, lines: &mut Vec<String>) {
    let inner = format!("{indent}{step}");
    match value {
        Value::Array(items) => {
            lines.push(format!("{lead}{{"));
            write_items(items, step, &inner, lines);
            close(indent, lines);
        }
        Value::Object(map) => {
            lines.push(format!("{lead}{{"));
            write_map(map, step, &inner, lines);
            close(indent, lines);
        }
        Value::String(text) => lines.push(format!("{lead}{},", quote(text))),
        Value::Null => lines.push(format!("{lead}\"userdata: NULL\",")),
        other => lines.push(format!("{lead}{other},")),
    }
}

/// The items up to the first hole, then those after it with their numbers.
fn write_items(items: &[Value], step: &str, inner: &str, lines: &mut Vec<String>) {
    let equals = if step.is_empty() { "=" } else { " = " };
    let sequence = items.iter().position(Value::is_null).unwrap_or(items.len());
    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
        let number = if index < sequence { String::new() } else { format!("[{}]{equals}", index + 1) };
        write(item, &format!("{inner}{number}"), step, inner, lines);
    }
}

fn write_map(map: &Map<String, Value>, step: &str, inner: &str, lines: &mut Vec<String>) {
    let equals = if step.is_empty() { "=" } else { " = " };
    let mut sequence = 0;
    while let Some(item) = map.get(&number_key(sequence + 1)) {
        sequence += 1;
        write(item, inner, step, inner, lines);
    }
    let mut keys: Vec<&String> =
        map.keys().filter(|key| key_number(key).is_none_or(|n| n > sequence)).collect();
    keys.sort_by_key(|key| {
        let (is_text, number, text) = sort_key(key);
        (!is_text, number, text)
    });
    for key in keys {
        let Some(item) = map.get(key) else { continue };
        let name = match key_number(key) {
            Some(number) => format!("[{number}]"),
            None if is_identifier(key) => key.clone(),
            None => format!("[{}]", quote(key)),
        };
        write(item, &format!("{inner}{name}{equals}"), step, inner, lines);
    }
}

fn close(indent: &str, lines: &mut Vec<String>) {
    drop_comma(lines);
    lines.push(format!("{indent}}},"));
}

fn is_identifier(key: &str) -> bool {
    let mut characters = key.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
        && !KEYWORDS.contains(&key)
}

/// In double quotes, or in long brackets if there is a line break or something like a long bracket.
fn quote(text: &str) -> String {
    let level = long_bracket_level(text);
    if (text.contains('\n') || level.is_some()) && !text.contains('\r') {
        let equals = "=".repeat(level.map_or(0, |level| level + 1));
        let first_break = if text.starts_with('\n') { "\n" } else { "" };
        return format!("[{equals}[{first_break}{text}]{equals}]");
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\\n"),
            control if control.is_ascii_control() => {
                // all three digits only where another digit follows
                let code = u32::from(control);
                let is_digit_next = characters.peek().is_some_and(char::is_ascii_digit);
                quoted.push_str(&if is_digit_next { format!("\\{code:03}") } else { format!("\\{code}") });
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The most `=` in anything like `[==[` or `]==]`, the closing bracket of the quote included.
fn long_bracket_level(text: &str) -> Option<usize> {
    let bytes: Vec<u8> = text.bytes().chain(std::iter::once(b']')).collect();
    let mut level = None;
    let mut open: Option<(u8, usize)> = None;
    for &byte in &bytes {
        open = match (open, byte) {
            (Some((bracket, equals)), b'=') => Some((bracket, equals + 1)),
            (Some((bracket, equals)), _) if byte == bracket => {
                level = level.max(Some(equals));
                Some((byte, 0))
            }
            (_, b'[' | b']') => Some((byte, 0)),
            _ => None,
        };
    }
    level
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trees_are_written_on_one_line_in_key_order() {
        let value = json!({"services": {"\0#2": {"host": "required field missing"}}, "@entity": ["a", "b"]});
        assert_eq!(
            compact(&value),
            "{[\"@entity\"]={\"a\",\"b\"},services={[2]={host=\"required field missing\"}}}"
        );
    }

    #[test]
    fn keys_that_count_from_one_are_a_sequence() {
        assert_eq!(compact(&json!({"\0#1": "a", "\0#2": "b", "\0#4": "c"})), "{\"a\",\"b\",[4]=\"c\"}");
    }

    #[test]
    fn holes_of_a_list_number_what_comes_after_them() {
        assert_eq!(compact(&json!([null, {"a": "b"}])), "{[2]={a=\"b\"}}");
        assert_eq!(compact(&json!(["x", null, "y"])), "{\"x\",[3]=\"y\"}");
    }

    #[test]
    fn values_keep_their_kind() {
        let value = json!({"a": 1, "b": true, "c": null, "end": "x", "d": []});
        assert_eq!(compact(&value), "{a=1,b=true,c=\"userdata: NULL\",d={},[\"end\"]=\"x\"}");
    }

    #[test]
    fn text_with_line_breaks_or_brackets_stands_in_long_brackets() {
        assert_eq!(compact(&json!("a\nb")), "[[a\nb]]");
        assert_eq!(compact(&json!("a[[b")), "[=[a[[b]=]");
        assert_eq!(compact(&json!("x]")), "[=[x]]=]");
        assert_eq!(compact(&json!("say \"x\"")), "\"say \\\"x\\\"\"");
    }

    #[test]
    fn control_characters_are_written_as_numbers() {
        assert_eq!(compact(&json!("a\tb")), "\"a\\9b\"");
        assert_eq!(compact(&json!("a\t1\r")), "\"a\\0091\\13\"");
        assert_eq!(compact(&json!("\u{7f}")), "\"\\127\"");
    }

    #[test]
    fn the_long_form_indents() {
        assert_eq!(indented(&json!({"a": {"b": "c"}})), "{\n  a = {\n    b = \"c\"\n  }\n}");
    }
}
