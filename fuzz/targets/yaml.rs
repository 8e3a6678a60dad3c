//! YAML, as declarative configuration has it: what is exported reads as what was read.
#![no_main]

use kong::db::declarative::{document::Document, yaml, yaml_writer};
use serde_json::{Map, Value};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Document::read(text, None);
    let Ok(Some(Value::Object(document))) = yaml::load(text) else { return };
    if document.is_empty() || !is_written(&Value::Object(document.clone())) {
        return;
    }
    let written = yaml_writer::write(&document);
    match yaml::load(&written) {
        Ok(Some(Value::Object(again))) => {
            assert!(
                same_fields(&document, &again),
                "{document:?}\nwas written as\n{written}\nand read as {again:?}"
            );
        }
        other => panic!("{document:?}\nwas written as\n{written}\nand read as {other:?}"),
    }
});

/// Whether the writer promises to keep it: `<<` merges even between quotes, and a number in scientific
/// notation reads as text.
fn is_written(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|it| it == 0.0 || (1e-4..1e14).contains(&it.abs()))
        }
        Value::Array(items) => items.iter().all(is_written),
        Value::Object(fields) => fields.iter().all(|(name, value)| name != "<<" && is_written(value)),
        _ => true,
    }
}

/// Equal, with 14 digits of a number; an empty collection has no kind.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Array(b)) => a.is_empty() && b.is_empty(),
        (Value::Object(a), Value::Object(b)) => same_fields(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-13,
            _ => false,
        },
        _ => a == b,
    }
}

fn same_fields(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
}
