//! Values → YAML text, laid out as libyaml's emitter does for Kong's exports.
//!
//! *Kong parity* (lyaml's dump): block style with lists at the indentation of their key, `~` for null,
//! quotes only where a text would read as something else, `|` for text with line breaks, long text folded
//! at blanks after column 80, numbers as Lua prints them; an empty mapping is written `[]`, as Lua's tables
//! do not tell.

use serde_json::{Map, Value};

use super::scalar::is_ambiguous;
use crate::schema::value::display_number;

/// The column after which text is folded.
const WIDTH: usize = 80;

/// Writes a document of one mapping, without markers around it.
pub fn write(document: &Map<String, Value>) -> String {
    let mut writer = Writer { text: String::new(), column: 0 };
    writer.mapping(document, 0);
    writer.text
}

struct Writer {
    text: String,
    /// Characters since the last line break.
    column: usize,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&" ".repeat(indent));
        self.column = indent;
    }

    /// A mapping at the top: every entry on a line of its own.
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                self.line(indent);
            }
            self.entry(key, value, indent);
        }
        self.text.push('\n');
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        self.string(key, indent, true);
        self.put(":");
        match value {
            Value::Object(map) if !map.is_empty() => self.below(map, indent + 2),
            Value::Array(items) if !items.is_empty() => self.items(items, indent, true),
            scalar => {
                self.put(" ");
                self.scalar(scalar, indent);
            }
        }
    }

    fn below(&mut self, map: &Map<String, Value>, indent: usize) {
        for (key, value) in map {
            self.line(indent);
            self.entry(key, value, indent);
        }
    }

    /// The items of a list at `indent`, the first on a new line if `on_new_line`.
    fn items(&mut self, items: &[Value], indent: usize, on_new_line: bool) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || on_new_line {
                self.line(indent);
            }
            self.put("- ");
            match item {
                Value::Object(map) if !map.is_empty() => {
                    for (index, (key, value)) in map.iter().enumerate() {
                        if index > 0 {
                            self.line(indent + 2);
                        }
                        self.entry(key, value, indent + 2);
                    }
                }
                Value::Array(nested) if !nested.is_empty() => self.items(nested, indent + 2, false),
                scalar => self.scalar(scalar, indent),
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.put("~"),
            Value::Bool(flag) => self.put(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.put(&display_number(number.as_f64().unwrap_or_default())),
            Value::String(text) => self.string(text, indent, false),
            Value::Array(_) | Value::Object(_) => self.put("[]"),
        }
    }

    fn string(&mut self, text: &str, indent: usize, is_key: bool) {
        let form = Form::of(text);
        let indent = indent + 2;
        if text.contains('\n') && form.block && !is_key && !is_ambiguous(text) {
            self.literal(text, indent);
        } else if form.plain && !is_ambiguous(text) {
            self.folded(text, indent, !is_key, |character| character.to_string());
        } else if form.single {
            self.put("'");
            let quoted =
                |character: char| if character == '\'' { "''".to_owned() } else { character.to_string() };
            self.folded(text, indent, !is_key, quoted);
            self.put("'");
        } else {
            self.double_quoted(text, indent, !is_key);
        }
    }

    /// Text with line breaks at single blanks behind the last column, where `may_fold`.
    fn folded(&mut self, text: &str, indent: usize, may_fold: bool, form: impl Fn(char) -> String) {
        let characters: Vec<char> = text.chars().collect();
        let at = |index: usize| characters.get(index).copied();
        for (index, &character) in characters.iter().enumerate() {
            let is_single = character == ' '
                && index.checked_sub(1).and_then(at).is_some_and(|before| before != ' ')
                && at(index + 1).is_some_and(|after| after != ' ');
            if is_single && may_fold && self.column > WIDTH {
                self.line(indent);
            } else {
                self.put(&form(character));
            }
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.put("\"");
        let characters: Vec<char> = text.chars().collect();
        let at = |index: usize| characters.get(index).copied();
        for (index, &character) in characters.iter().enumerate() {
            let follows_space = index.checked_sub(1).and_then(at) == Some(' ');
            let is_inner = index > 0 && index + 1 < characters.len();
            if character == ' ' && may_fold && !follows_space && is_inner && self.column > WIDTH {
                self.line(indent);
                if at(index + 1) == Some(' ') {
                    self.put("\\");
                }
            } else {
                self.put(&escaped(character));
            }
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        let body = text.strip_suffix('\n');
        match body {
            None => self.put("-"),
            Some(body) if body.is_empty() || body.ends_with('\n') => self.put("+"),
            Some(_) => {}
        }
        for line in body.unwrap_or(text).split('\n') {
            self.line(if line.is_empty() { 0 } else { indent });
            self.put(line);
        }
    }
}

/// The forms in which a text can be written.
struct Form {
    plain: bool,
    single: bool,
    block: bool,
}

impl Form {
    fn of(text: &str) -> Self {
        let special = text.chars().any(is_special);
        let breaks = text.contains('\n');
        let edges = text.starts_with(' ') || text.ends_with(' ');
        let space_before_break = text.contains(" \n");
        let space_after_break = text.contains("\n ");
        let indicators =
            starts_with_indicator(text) || text.contains(": ") || text.contains(" #") || text.ends_with(':');
        Form {
            plain: !(text.is_empty() || special || breaks || edges || indicators),
            single: !(special || space_before_break || space_after_break || breaks),
            block: !(special || space_before_break || text.ends_with(' ')),
        }
    }
}

fn starts_with_indicator(text: &str) -> bool {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return false };
    let second = characters.next();
    match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            true
        }
        '?' | ':' | '-' => second.is_none_or(|second| second == ' ') || text.starts_with("---"),
        '.' => text.starts_with("..."),
        _ => false,
    }
}

fn is_special(character: char) -> bool {
    !matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
        || matches!(character, '\u{2028}' | '\u{2029}')
}

fn escaped(character: char) -> String {
    match character {
        '\0' => "\\0".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        other if !is_special(other) => other.to_string(),
        other if u32::from(other) <= 0xff => format!("\\x{:02X}", u32::from(other)),
        other => format!("\\u{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::db::declarative::yaml;

    fn text(value: Value) -> String {
        write(value.as_object().unwrap())
    }

    #[test]
    fn lists_stand_at_the_indentation_of_their_key() {
        assert_eq!(
            text(json!({"a": [1, {"b": "c", "d": null}, [2, 3]], "e": {"f": [], "g": {}}, "h": true})),
            "a:\n- 1\n- b: c\n  d: ~\n- - 2\n  - 3\ne:\n  f: []\n  g: []\nh: true\n"
        );
    }

    #[test]
    fn only_text_that_would_read_otherwise_is_quoted() {
        let cases = [
            ("yes", "'yes'"),
            ("010", "'010'"),
            ("a: b", "'a: b'"),
            ("a#b", "a#b"),
            ("- x", "'- x'"),
            ("-x", "-x"),
            ("it's", "it's"),
            ("'q'", "'''q'''"),
            ("é", "é"),
            ("tab\tx", "\"tab\\tx\""),
            ("", "''"),
            ("/a/b", "/a/b"),
            ("line\nline", "|-\n  line\n  line"),
            ("line\n", "|\n  line"),
            (" x\ny\n\n", "|2+\n   x\n  y\n"),
            ("---", "'---'"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(json!({"k": value})), format!("k: {expected}\n"), "{value:?}");
        }
    }

    #[test]
    fn long_text_is_folded_at_blanks() {
        let words = "word ".repeat(40) + "end";
        let folded = text(json!({"long": words}));
        let longest = folded.lines().map(str::len).max().unwrap();
        assert!(longest <= 86 && folded.lines().count() == 3, "{folded}");
        assert_eq!(yaml::load(&folded).unwrap().unwrap(), json!({"long": words}));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_000_000_i64..1_000_000).prop_map(Value::from),
            "[ -~\n\té\u{85}]{0,12}".prop_map(Value::from),
            "(yes|no|~|0[0-9]{1,3}|[a-z]{1,4}: [a-z]|- ?[a-z]|[a-z]{1,30} [a-z]{60} [a-z]{3})"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..5).prop_map(Value::from),
                prop::collection::hash_map("[ -~]{0,8}", inner, 1..5)
                    .prop_map(|map| Value::Object(map.into_iter().filter(|(key, _)| key != "<<").collect())),
            ]
        })
    }

    fn with_lists_for_empty_maps(value: &Value) -> Value {
        match value {
            Value::Object(map) if map.is_empty() => json!([]),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), with_lists_for_empty_maps(value))).collect()
            }
            Value::Array(items) => items.iter().map(with_lists_for_empty_maps).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in values()) {
            let document = json!({"document": value});
            let text = write(document.as_object().unwrap());
            let read = yaml::load(&text);
            prop_assert_eq!(read.as_ref().ok().cloned().flatten(), Some(with_lists_for_empty_maps(&document)), "{:?} {}", read, text);
        }
    }
}
