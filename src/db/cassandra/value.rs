//! Values of entities as the columns of tables keep them.

use scylla::cluster::metadata::{CollectionType, ColumnType, NativeType};
use scylla::value::{Counter, CqlTimestamp, CqlValue};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::db::FieldKind;
use crate::db::model::part_text;

/// A value as a column of a type keeps it; none for null.
///
/// *Errors*: a value that is none of the type, in words that go behind the name of the column.
pub(super) fn stored(
    value: &Value,
    kind: &FieldKind,
    column: &ColumnType<'_>,
) -> Result<Option<CqlValue>, String> {
    if value.is_null() {
        return Ok(None);
    }
    match column {
        ColumnType::Native(native) => native_value(value, kind, native).map(Some),
        ColumnType::Collection { typ, .. } => collection(value, kind, typ).map(Some),
        other => Err(format!("has a type that is not written: {other:?}")),
    }
}

fn native_value(value: &Value, kind: &FieldKind, native: &NativeType) -> Result<CqlValue, String> {
    let wrong = || format!("cannot take {value}");
    Ok(match native {
        NativeType::Text => CqlValue::Text(text(value, kind)),
        NativeType::Ascii => CqlValue::Ascii(text(value, kind)),
        NativeType::Uuid => CqlValue::Uuid(Uuid::parse_str(&part_text(Some(value))).map_err(|_| wrong())?),
        NativeType::Timeuuid => {
            let uuid = Uuid::parse_str(&part_text(Some(value))).map_err(|_| wrong())?;
            CqlValue::Timeuuid(uuid.into())
        }
        NativeType::Boolean => CqlValue::Boolean(value.as_bool().ok_or_else(wrong)?),
        NativeType::Int => CqlValue::Int(narrow(value).ok_or_else(wrong)?),
        NativeType::BigInt => CqlValue::BigInt(whole(value).ok_or_else(wrong)?),
        NativeType::SmallInt => CqlValue::SmallInt(narrow(value).ok_or_else(wrong)?),
        NativeType::TinyInt => CqlValue::TinyInt(narrow(value).ok_or_else(wrong)?),
        NativeType::Counter => CqlValue::Counter(Counter(whole(value).ok_or_else(wrong)?)),
        NativeType::Float => CqlValue::Float(value.as_f64().ok_or_else(wrong)? as f32),
        NativeType::Double => CqlValue::Double(value.as_f64().ok_or_else(wrong)?),
        NativeType::Timestamp => CqlValue::Timestamp(timestamp(value.as_f64().ok_or_else(wrong)?)),
        NativeType::Inet => CqlValue::Inet(part_text(Some(value)).parse().map_err(|_| wrong())?),
        NativeType::Blob => CqlValue::Blob(part_text(Some(value)).into_bytes()),
        other => return Err(format!("has a type that is not written: {other:?}")),
    })
}

fn collection(value: &Value, kind: &FieldKind, column: &CollectionType<'_>) -> Result<CqlValue, String> {
    match column {
        CollectionType::List(inner) => Ok(CqlValue::List(elements(value, kind, inner)?)),
        CollectionType::Set(inner) => {
            let mut all = elements(value, kind, inner)?;
            sort(&mut all);
            Ok(CqlValue::Set(all))
        }
        CollectionType::Map(key, inner) => {
            let Value::Object(fields) = value else { return Err(format!("cannot take {value}")) };
            let entry = |(name, value): (&String, &Value)| -> Result<_, String> {
                let name = native_of(name, key)?;
                let value = stored(value, &inner_kind(value), inner)?;
                Ok((name, value.ok_or_else(|| "cannot take null".to_owned())?))
            };
            Ok(CqlValue::Map(fields.iter().map(entry).collect::<Result<_, _>>()?))
        }
        other => Err(format!("has a type that is not written: {other:?}")),
    }
}

fn native_of(name: &str, key: &ColumnType<'_>) -> Result<CqlValue, String> {
    let value = stored(&Value::from(name), &FieldKind::Text, key)?;
    value.ok_or_else(|| "cannot take null".to_owned())
}

/// What a value within a map is: records are texts of JSON there.
fn inner_kind(value: &Value) -> FieldKind {
    match value {
        Value::Object(_) => FieldKind::Json,
        Value::Array(_) => FieldKind::Array(Box::new(FieldKind::Text)),
        _ => FieldKind::Text,
    }
}

fn elements(value: &Value, kind: &FieldKind, column: &ColumnType<'_>) -> Result<Vec<CqlValue>, String> {
    let inner = match kind {
        FieldKind::Array(inner) | FieldKind::Set(inner) => inner.as_ref(),
        other => other,
    };
    match value {
        Value::Array(items) => {
            let item = |item: &Value| {
                stored(item, inner, column)?.ok_or_else(|| "cannot take null within a list".to_owned())
            };
            items.iter().map(item).collect()
        }
        // *Kong parity*: an empty table of Lua may stand for an empty list
        Value::Object(fields) if fields.is_empty() => Ok(Vec::new()),
        other => Err(format!("cannot take {other}")),
    }
}

/// As the server keeps sets: in order, each once.
fn sort(all: &mut Vec<CqlValue>) {
    all.sort_by_cached_key(|value| match value {
        CqlValue::Text(text) | CqlValue::Ascii(text) => (0, text.clone()),
        CqlValue::Uuid(uuid) => (0, uuid.to_string()),
        CqlValue::Int(number) => (i64::from(*number), String::new()),
        CqlValue::BigInt(number) => (*number, String::new()),
        other => (0, format!("{other:?}")),
    });
    all.dedup();
}

fn text(value: &Value, kind: &FieldKind) -> String {
    match value {
        Value::String(text) if !matches!(kind, FieldKind::Json) => text.clone(),
        other => other.to_string(),
    }
}

/// Lua has one kind of numbers, so that a whole one may come with a fraction of zero.
fn whole(value: &Value) -> Option<i64> {
    /// Whole numbers below are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
    })
}

fn narrow<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    T::try_from(whole(value)?).ok()
}

/// Seconds since 1970 as a column keeps them.
pub(super) fn timestamp(seconds: f64) -> CqlTimestamp {
    CqlTimestamp((seconds * 1000.0).round() as i64)
}

// ---- reading --------------------------------------------------------------------------------------------

/// What a column holds, as the field of an entity has it.
pub(super) fn read(value: &CqlValue, kind: &FieldKind) -> Value {
    match value {
        CqlValue::Text(text) | CqlValue::Ascii(text) => match kind {
            FieldKind::Json => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
            _ => Value::from(text.as_str()),
        },
        CqlValue::Uuid(uuid) => Value::from(uuid.to_string()),
        CqlValue::Timeuuid(uuid) => Value::from(uuid.to_string()),
        CqlValue::Boolean(boolean) => Value::from(*boolean),
        CqlValue::Int(number) => Value::from(*number),
        CqlValue::BigInt(number) => Value::from(*number),
        CqlValue::SmallInt(number) => Value::from(*number),
        CqlValue::TinyInt(number) => Value::from(*number),
        CqlValue::Counter(counter) => Value::from(counter.0),
        // the shortest text of a short number is what was written
        CqlValue::Float(number) => float(number.to_string().parse().unwrap_or_default()),
        CqlValue::Double(number) => float(*number),
        CqlValue::Timestamp(time) => float(time.0 as f64 / 1000.0),
        CqlValue::Inet(address) => Value::from(address.to_string()),
        CqlValue::Blob(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
        CqlValue::List(items) | CqlValue::Set(items) => {
            let inner = match kind {
                FieldKind::Array(inner) | FieldKind::Set(inner) => inner.as_ref(),
                _ => &FieldKind::Text,
            };
            items.iter().map(|item| read(item, inner)).collect()
        }
        CqlValue::Map(entries) => {
            let entry = |(name, value): &(CqlValue, CqlValue)| {
                (part_text(Some(&read(name, &FieldKind::Text))), read(value, &FieldKind::Text))
            };
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

fn float(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < i64::MAX as f64 {
        true => Value::from(number as i64),
        false => Number::from_f64(number).map_or(Value::Null, Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn native(native: NativeType) -> ColumnType<'static> {
        ColumnType::Native(native)
    }

    fn set(inner: NativeType) -> ColumnType<'static> {
        ColumnType::Collection { frozen: false, typ: CollectionType::Set(Box::new(native(inner))) }
    }

    fn list(inner: NativeType) -> ColumnType<'static> {
        ColumnType::Collection { frozen: false, typ: CollectionType::List(Box::new(native(inner))) }
    }

    #[test]
    fn values_come_back_as_they_were_written() {
        let id = "5a7a3a3e-8a1b-4a0e-9b6c-0f4d1a2b3c4d";
        let headers = ColumnType::Collection {
            frozen: false,
            typ: CollectionType::Map(Box::new(native(NativeType::Text)), Box::new(set(NativeType::Text))),
        };
        let json_set = FieldKind::Set(Box::new(FieldKind::Json));
        let array = FieldKind::Array(Box::new(FieldKind::Text));
        for (value, kind, column, expected) in [
            (json!("it's"), FieldKind::Text, native(NativeType::Text), json!("it's")),
            (json!(80.0), FieldKind::Integer, native(NativeType::Int), json!(80)),
            (json!(1.5), FieldKind::Number, native(NativeType::Float), json!(1.5)),
            (json!(0.1), FieldKind::Number, native(NativeType::Float), json!(0.1)),
            (
                json!(1_700_000_000.123),
                FieldKind::Timestamp,
                native(NativeType::Timestamp),
                json!(1_700_000_000.123),
            ),
            (json!(1_700_000_000), FieldKind::Timestamp, native(NativeType::Timestamp), json!(1_700_000_000)),
            (json!({"a": [1, null]}), FieldKind::Json, native(NativeType::Text), json!({"a": [1, null]})),
            (json!(id), FieldKind::Uuid, native(NativeType::Uuid), json!(id)),
            (json!({"id": id}), FieldKind::Uuid, native(NativeType::Uuid), json!(id)),
            (
                json!(["b", "a", "b"]),
                FieldKind::Set(Box::new(FieldKind::Text)),
                set(NativeType::Text),
                json!(["a", "b"]),
            ),
            (json!(["b", "a"]), array, list(NativeType::Text), json!(["b", "a"])),
            (json!([{"ip": "::1"}]), json_set, set(NativeType::Text), json!([{"ip": "::1"}])),
            (json!({"x-a": ["b", "c"]}), FieldKind::Json, headers, json!({"x-a": ["b", "c"]})),
        ] {
            let kept = stored(&value, &kind, &column).unwrap().unwrap();
            assert_eq!(read(&kept, &kind), expected, "{value}");
        }
        assert_eq!(stored(&Value::Null, &FieldKind::Text, &native(NativeType::Text)), Ok(None));
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for (value, column) in [
            (json!("x"), native(NativeType::Uuid)),
            (json!(1.5), native(NativeType::Int)),
            (json!(4_294_967_296_i64), native(NativeType::Int)),
            (json!("x"), set(NativeType::Text)),
        ] {
            let error = stored(&value, &FieldKind::Text, &column).unwrap_err();
            assert_eq!(error, format!("cannot take {value}"));
        }
    }
}
