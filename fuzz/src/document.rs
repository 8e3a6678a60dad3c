//! JSON values made from random bytes, shaped like a schema more often than not.

use kong::schema::{Field, Kind, Record};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};

/// Deepest nesting.
const DEPTH: usize = 5;

/// Texts that mean something to some field.
const TEXTS: &[&str] = &[
    "",
    "a",
    "local",
    "redis",
    "consumer",
    "ip",
    "path",
    "header",
    "X-Name",
    "x-name:value",
    "x-name:$(headers.a)",
    "*",
    "http://example.com",
    "^a(b|c)$",
    "(",
    "GET",
    "[bad",
    "return function() end",
    "}{",
    "uuid",
    "127.0.0.1",
    "::1",
    "/tmp/log",
    "application/json",
    "{vault://env/a}",
    "{vault://",
    "1",
    "-1",
    "true",
    "localhost",
    "é\u{0}",
];

/// An object with fields of `record`, and sometimes others.
pub fn object(record: &Record, source: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let mut map = Map::new();
    for _ in 0..source.int_in_range(0..=6)? {
        let shorthands = record.shorthand_fields.iter().map(|it| (it.name.as_str(), &it.field));
        let fields = record.fields.iter().map(|(name, field)| (name.as_str(), field));
        let count = record.fields.len() + record.shorthand_fields.len();
        let index = source.int_in_range(0..=count)?;
        let (name, value) = match fields.chain(shorthands).nth(index) {
            Some((name, field)) => (name, of_field(field, source, depth)?),
            None => (*source.choose(TEXTS)?, any(source, depth)?),
        };
        map.insert(name.to_owned(), value);
    }
    Ok(Value::Object(map))
}

fn of_field(field: &Field, source: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    if depth >= DEPTH || source.ratio(1, 8)? {
        return any(source, depth);
    }
    let choices: Vec<&Value> =
        field.default.iter().chain(field.examples.iter().flat_map(|it| it.as_array()).flatten()).collect();
    if !choices.is_empty() && source.ratio(1, 4)? {
        return Ok((*source.choose(&choices)?).clone());
    }
    Ok(match &field.kind {
        Kind::String | Kind::Function => text(source)?,
        Kind::Number | Kind::Integer => number(source)?,
        Kind::Boolean => Value::Bool(source.arbitrary()?),
        Kind::Array(item) | Kind::Set(item) => items(source, |source| of_field(item, source, depth + 1))?,
        Kind::Map(_, item) => {
            let mut map = Map::new();
            for _ in 0..source.int_in_range(0..=3)? {
                map.insert((*source.choose(TEXTS)?).to_owned(), of_field(item, source, depth + 1)?);
            }
            Value::Object(map)
        }
        Kind::Record(Some(record)) => object(record, source, depth + 1)?,
        _ => any(source, depth)?,
    })
}

/// Any value.
pub fn any(source: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let most = if depth >= DEPTH { 3 } else { 5 };
    Ok(match source.int_in_range(0..=most)? {
        0 => Value::Null,
        1 => Value::Bool(source.arbitrary()?),
        2 => number(source)?,
        3 => text(source)?,
        4 => items(source, |source| any(source, depth + 1))?,
        _ => {
            let mut map = Map::new();
            for _ in 0..source.int_in_range(0..=3)? {
                map.insert((*source.choose(TEXTS)?).to_owned(), any(source, depth + 1)?);
            }
            Value::Object(map)
        }
    })
}

fn items<'a>(
    source: &mut Unstructured<'a>,
    mut item: impl FnMut(&mut Unstructured<'a>) -> Result<Value>,
) -> Result<Value> {
    let count = source.int_in_range(0..=3)?;
    (0..count).map(|_| item(source)).collect::<Result<_>>().map(Value::Array)
}

fn text(source: &mut Unstructured<'_>) -> Result<Value> {
    if source.ratio(1, 4)? {
        return Ok(Value::String(source.arbitrary::<&str>()?.chars().take(60).collect()));
    }
    Ok(Value::String((*source.choose(TEXTS)?).to_owned()))
}

fn number(source: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match source.int_in_range(0..=3)? {
        0 => Value::from(source.arbitrary::<u8>()?),
        1 => Value::from(source.arbitrary::<i64>()?),
        2 => Value::from(source.arbitrary::<u64>()?),
        _ => Value::from(source.arbitrary::<f64>()?),
    })
}
