//! Names of a form's arguments as paths: `a.b[1].c` is a field of the first element of a list in a table.
//!
//! *Kong parity*: dots and brackets split a name, dots within brackets do not; a number in brackets is the place in
//! a list, nothing in brackets the next place, anything else a key. What several arguments say about the same
//! table is laid together, and two values for one place become a list.

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// The most steps of a name; one with more is a key as a whole.
const MAX_STEPS: usize = 100;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A field of a table.
    Name(String),
    /// A place in a list, counted from 1.
    Place(u32),
}

/// What stands at the end of a path: a value, or more paths.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Leaf(Value),
    Table(Table),
}

type Table = IndexMap<Key, Node>;

/// Arguments as a tree.
pub(super) fn nested(arguments: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut tree = Table::new();
    for (name, value) in arguments {
        lay_over(&mut tree, of_argument(&name, value));
    }
    let fields = tree.into_iter().map(|(key, node)| (key.into_text(), node.into_value()));
    fields.collect()
}

impl Key {
    fn into_text(self) -> String {
        match self {
            Key::Name(name) => name,
            Key::Place(place) => place.to_string(),
        }
    }
}

impl Node {
    /// A repeated argument's values are a list.
    fn of(value: Value) -> Self {
        match value {
            Value::Array(values) => {
                let places = (1..).map(Key::Place);
                Node::Table(places.zip(values.into_iter().map(Node::Leaf)).collect())
            }
            value => Node::Leaf(value),
        }
    }

    fn into_value(self) -> Value {
        let mut table = match self {
            Node::Leaf(value) => return value,
            Node::Table(table) => table,
        };
        let length = length(&table);
        if length as usize == table.len() && length > 0 {
            let in_order = (1..=length).filter_map(|place| table.swap_remove(&Key::Place(place)));
            return in_order.map(Node::into_value).collect();
        }
        Value::Object(table.into_iter().map(|(key, node)| (key.into_text(), node.into_value())).collect())
    }
}

/// How many places of a list are taken, from the first one on.
fn length(table: &Table) -> u32 {
    (1..).take_while(|place| table.contains_key(&Key::Place(*place))).last().unwrap_or_default()
}

/// The tree that one argument alone makes.
fn of_argument(name: &str, value: Value) -> Table {
    let steps_at_most = name.matches(['.', '[']).take(MAX_STEPS + 1).count();
    let is_key = name.starts_with('.') || name.ends_with('.') || steps_at_most > MAX_STEPS;
    if is_key {
        return Table::from_iter([(Key::Name(name.to_owned()), Node::of(value))]);
    }
    let groups = groups(name);
    let (last, before) = match groups.split_last() {
        Some((last, before)) => (*last, before),
        None => (name, &[][..]),
    };
    let (first, keys) = steps(last);
    let inner = around(&keys, Node::of(value));
    let innermost = Table::from_iter([(Key::Name(first), inner)]);
    before.iter().rev().fold(innermost, |inner, group| {
        let (first, mut keys) = steps(group);
        // the next place of a list that is a table at once is the list itself
        if keys.last().is_some_and(Option::is_none) {
            keys.pop();
        }
        Table::from_iter([(Key::Name(first), around(&keys, Node::Table(inner)))])
    })
}

/// A value inside the tables that keys lead through.
fn around(keys: &[Option<Key>], value: Node) -> Node {
    let mut keys = keys.iter().rev();
    let value = match (keys.next(), value) {
        (None, value) => return value,
        (Some(None), Node::Table(list)) => Node::Table(list),
        (Some(key), value) => in_table(key, value),
    };
    keys.fold(value, |inner, key| in_table(key, inner))
}

fn in_table(key: &Option<Key>, value: Node) -> Node {
    Node::Table(Table::from_iter([(key.clone().unwrap_or(Key::Place(1)), value)]))
}

/// The parts of a name between the dots that are not inside brackets.
fn groups(name: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let (mut start, mut in_brackets) = (0, false);
    let last_closing = name.rfind(']').unwrap_or_default();
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'[' if at < last_closing => in_brackets = true,
            b']' => in_brackets = false,
            b'.' if !in_brackets => {
                groups.push(name.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    groups.push(name.get(start..).unwrap_or_default());
    groups.retain(|group| !group.is_empty());
    groups
}

/// A field's name and the keys in the brackets behind it; `None` is the next place of a list.
fn steps(group: &str) -> (String, Vec<Option<Key>>) {
    let begin = group.char_indices().skip(1).find(|(_, character)| *character == '[').map(|(at, _)| at);
    let Some((name, mut rest)) = begin.and_then(|at| group.split_at_checked(at)) else {
        return (group.to_owned(), Vec::new());
    };
    let mut keys = Vec::new();
    while let Some((key, behind)) = rest.split_once('[').and_then(|(_, inner)| inner.split_once(']')) {
        keys.push(match (key, key.parse()) {
            ("", _) => None,
            (_, Ok(place)) => Some(Key::Place(place)),
            _ => Some(Key::Name(key.to_owned())),
        });
        rest = behind;
    }
    if keys.is_empty() { (group.to_owned(), keys) } else { (name.to_owned(), keys) }
}

fn lay_over(table: &mut Table, other: Table) {
    for (key, new) in other {
        match (table.get_mut(&key), new) {
            (None, new) => {
                table.insert(key, new);
            }
            (Some(Node::Table(known)), Node::Table(new)) => lay_over(known, new),
            (Some(Node::Table(known)), new) => append(known, new),
            (Some(known), new) => {
                let first = std::mem::replace(known, Node::Leaf(Value::Null));
                let mut both = Table::from_iter([(Key::Place(1), first)]);
                match new {
                    Node::Table(new) => lay_over(&mut both, new),
                    new => append(&mut both, new),
                }
                *known = Node::Table(both);
            }
        }
    }
}

fn append(list: &mut Table, value: Node) {
    list.insert(Key::Place(length(list) + 1), value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(arguments: &[(&str, Value)]) -> Value {
        let owned = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(nested(owned))
    }

    #[test]
    fn dots_and_brackets_lead_into_tables_and_lists() {
        for (name, expected) in [
            ("a", json!({"a": "x"})),
            ("a.b", json!({"a": {"b": "x"}})),
            ("a[]", json!({"a": ["x"]})),
            ("a[1]", json!({"a": ["x"]})),
            ("a[2]", json!({"a": {"2": "x"}})),
            ("a[1].b", json!({"a": [{"b": "x"}]})),
            ("a[b.c].d", json!({"a": {"b.c": {"d": "x"}}})),
            ("a[][b]", json!({"a": [{"b": "x"}]})),
            ("x.r[1].s[a][1].t[b].u", json!({"x": {"r": [{"s": {"a": [{"t": {"b": {"u": "x"}}}]}}]}})),
            ("a.1", json!({"a": {"1": "x"}})),
            ("a[b", json!({"a[b": "x"})),
            ("[a][b]", json!({"[a]": {"b": "x"}})),
            (".a", json!({".a": "x"})),
            ("a.", json!({"a.": "x"})),
        ] {
            assert_eq!(tree(&[(name, json!("x"))]), expected, "{name}");
        }
    }

    #[test]
    fn arguments_about_one_table_come_together() {
        let together = tree(&[
            ("config.a", json!("1")),
            ("config.b[1]", json!("2")),
            ("config.b[2]", json!("3")),
            ("hosts[]", json!(["x", "y"])),
            ("tags", json!(["t", "u"])),
        ]);
        let expected =
            json!({"config": {"a": "1", "b": ["2", "3"]}, "hosts": ["x", "y"], "tags": ["t", "u"]});
        assert_eq!(together, expected);
        assert_eq!(tree(&[("a[2]", json!("y")), ("a[1]", json!("x"))]), json!({"a": ["x", "y"]}));
    }

    #[test]
    fn a_name_of_many_steps_does_not_exhaust_the_stack() {
        let name = "a.".repeat(100_000) + "b";
        assert!(tree(&[(&name, json!("x"))]).is_object());
        let name = format!("a{}", "[b]".repeat(100_000));
        assert!(tree(&[(&name, json!("x"))]).is_object());
    }
}
