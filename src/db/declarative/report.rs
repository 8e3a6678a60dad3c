//! Error trees of a configuration as people read them: Kong's indented text, and lines of the file.

use serde_json::{Map, Value};

use super::lines::{self, Segment};
use crate::db::lua_literal::{key_number, key_text};

/// An error at one place of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The place, such as `services[1].port`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// The line of the place or, if the tree names entities otherwise, of what is around it.
    pub line: Option<usize>,
}

/// The tree in Kong's words: `in 'services':`, then `- in entry 1 of 'services':` and so on.
pub fn pretty(errors: &Map<String, Value>) -> String {
    let mut lines = Vec::new();
    for (key, error) in errors {
        write(key, "", error, "", &mut lines);
    }
    lines.join("\n")
}

/// All errors of the tree with the lines of `text` they are about.
///
/// *Cost*: reads the text once more.
pub fn locate(errors: &Map<String, Value>, text: &str) -> Vec<Located> {
    let mut leaves = Vec::new();
    for (key, error) in errors {
        collect(&mut vec![segment(key)], error, &mut leaves);
    }
    let paths: Vec<Vec<Segment>> = leaves.iter().map(|(path, _)| path.clone()).collect();
    let found = lines::find(text, &paths);
    let leaves = leaves.into_iter().zip(found);
    leaves.map(|((path, message), line)| Located { path: lines::display(&path), message, line }).collect()
}

fn write(key: &str, list: &str, error: &Value, indent: &str, lines: &mut Vec<String>) {
    let place = match key_number(key) {
        Some(number) => format!("- in entry {number} of '{list}'"),
        None => format!("in '{key}'"),
    };
    let deeper = format!("{indent}  ");
    match error {
        Value::Object(map) => {
            lines.push(format!("{indent}{place}:"));
            for (inner, error) in map {
                write(inner, key_text(key), error, &deeper, lines);
            }
        }
        Value::Array(list) => {
            lines.push(format!("{indent}{place}:"));
            for (index, error) in list.iter().enumerate().filter(|(_, error)| !error.is_null()) {
                let number = crate::db::lua_literal::number_key(index + 1);
                write(&number, key_text(key), error, &deeper, lines);
            }
        }
        Value::String(message) => lines.push(format!("{indent}{place}: {message}")),
        other => lines.push(format!("{indent}{place}: {other}")),
    }
}

fn collect(path: &mut Vec<Segment>, error: &Value, leaves: &mut Vec<(Vec<Segment>, String)>) {
    match error {
        Value::Object(map) => {
            for (key, error) in map {
                if key == "@entity" {
                    messages(path, error, leaves);
                    continue;
                }
                path.push(segment(key));
                collect(path, error, leaves);
                path.pop();
            }
        }
        Value::Array(list) => {
            for (index, error) in list.iter().enumerate().filter(|(_, error)| !error.is_null()) {
                path.push(Segment::Entry(index + 1));
                collect(path, error, leaves);
                path.pop();
            }
        }
        Value::String(message) => leaves.push((path.clone(), message.clone())),
        other => leaves.push((path.clone(), other.to_string())),
    }
}

/// Errors of an entity as a whole belong to its own place.
fn messages(path: &[Segment], error: &Value, leaves: &mut Vec<(Vec<Segment>, String)>) {
    match error {
        Value::Array(list) => list.iter().for_each(|error| messages(path, error, leaves)),
        Value::String(message) => leaves.push((path.to_vec(), message.clone())),
        other => leaves.push((path.to_vec(), other.to_string())),
    }
}

fn segment(key: &str) -> Segment {
    key_number(key).map_or_else(|| Segment::Key(key.to_owned()), Segment::Entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors() -> Map<String, Value> {
        let tree = json!({
            "services": [null, {"host": "required field missing", "routes": [{"paths": [null, "bad"]}]}],
            "_format_version": "required field missing",
            "plugins": [{"@entity": ["one", "two"]}],
        });
        tree.as_object().unwrap().clone()
    }

    #[test]
    fn the_pretty_form_indents_and_counts_entries_from_one() {
        assert_eq!(
            pretty(&errors()),
            "in 'services':\n  - in entry 2 of 'services':\n    in 'host': required field missing\n    \
             in 'routes':\n      - in entry 1 of 'routes':\n        in 'paths':\n          \
             - in entry 2 of 'paths': bad\nin '_format_version': required field missing\nin 'plugins':\n  \
             - in entry 1 of 'plugins':\n    in '@entity':\n      - in entry 1 of '@entity': one\n      \
             - in entry 2 of '@entity': two"
        );
    }

    #[test]
    fn errors_have_the_line_they_are_about() {
        let text = "services:\n- name: a\n- name: b\n  routes:\n  - paths:\n    - /a\n    - /b\nplugins:\n- name: x\n";
        let located = locate(&errors(), text);
        let shown: Vec<(&str, Option<usize>)> =
            located.iter().map(|error| (error.path.as_str(), error.line)).collect();
        assert_eq!(
            shown,
            [
                ("services[2].host", Some(3)),
                ("services[2].routes[1].paths[2]", Some(7)),
                ("_format_version", None),
                ("plugins[1]", Some(9)),
                ("plugins[1]", Some(9)),
            ]
        );
    }
}
