//! Lua values as JSON values and back.
//!
//! `ngx.null` is `null`. A table whose keys are 1 to n is an array, an empty one an object unless it has the
//! metatable of arrays. Bytes that are not UTF-8, numbers as keys and functions keep their identity through the
//! marks of [`crate::schema::text`] and [`crate::schema::value`]; infinity travels as the largest double.

use mlua::{Lua, Table, Value as LuaValue};
use serde_json::{Map, Value};

use crate::schema::text;
use crate::schema::value::{key_value, number, number_key, opaque, opaque_id};

/// How deep tables may be nested; deeper ones refer to themselves.
const MAX_DEPTH: usize = 128;

/// Where the VM keeps the Lua values that JSON has no form for.
const OPAQUES: &str = "kong.schema.opaques";

/// A Lua value as JSON; `nil` gives `None`.
///
/// # Errors
/// When tables are nested without end.
pub fn from_lua(lua: &Lua, value: &LuaValue) -> mlua::Result<Option<Value>> {
    convert(lua, value, 0)
}

/// A Lua table as a JSON object, whatever its keys.
///
/// # Errors
/// When tables are nested without end.
pub fn object_from_lua(lua: &Lua, table: &Table) -> mlua::Result<Map<String, Value>> {
    let value = convert(lua, &LuaValue::Table(table.clone()), 0)?.unwrap_or_default();
    Ok(crate::schema::validate::table(&value).into_owned())
}

/// A JSON value as Lua.
///
/// # Errors
/// When the VM has no memory left.
pub fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::NULL,
        Value::Bool(flag) => LuaValue::Boolean(*flag),
        Value::Number(number) => LuaValue::Number(widen(number.as_f64().unwrap_or_default())),
        Value::String(string) => LuaValue::String(lua.create_string(text::to_bytes(string))?),
        Value::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(object) => match opaque_id(value) {
            Some(id) => opaque_value(lua, id)?,
            None => LuaValue::Table(table_to_lua(lua, object)?),
        },
    })
}

/// A JSON object as a Lua table.
///
/// # Errors
/// When the VM has no memory left.
pub fn table_to_lua(lua: &Lua, object: &Map<String, Value>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, object.len())?;
    for (key, value) in object {
        table.raw_set(to_lua(lua, &key_value(key))?, to_lua(lua, value)?)?;
    }
    Ok(table)
}

/// An error tree as Lua: places of arrays without an error are `nil`.
///
/// # Errors
/// When the VM has no memory left.
pub fn errors_to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    let table = match value {
        Value::Array(items) => {
            let table = lua.create_table()?;
            for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                table.raw_set(place + 1, errors_to_lua(lua, item)?)?;
            }
            table
        }
        Value::Object(object) => {
            let table = lua.create_table()?;
            for (key, item) in object {
                table.raw_set(to_lua(lua, &key_value(key))?, errors_to_lua(lua, item)?)?;
            }
            table
        }
        scalar => return to_lua(lua, scalar),
    };
    Ok(LuaValue::Table(table))
}

/// The number by which a Lua value is known from now on.
///
/// # Errors
/// When the VM has no memory left.
pub fn keep(lua: &Lua, value: &LuaValue) -> mlua::Result<u64> {
    let opaques = opaques(lua)?;
    if let Some(id) = opaques.raw_get::<Option<u64>>(value)? {
        return Ok(id);
    }
    let id = opaques.raw_len() as u64 + 1;
    opaques.raw_set(id, value)?;
    opaques.raw_set(value, id)?;
    Ok(id)
}

/// The Lua value known by this number.
///
/// # Errors
/// When the VM has no memory left.
pub fn opaque_value(lua: &Lua, id: u64) -> mlua::Result<LuaValue> {
    opaques(lua)?.raw_get(id)
}

fn opaques(lua: &Lua) -> mlua::Result<Table> {
    if let Some(table) = lua.named_registry_value::<Option<Table>>(OPAQUES)? {
        return Ok(table);
    }
    let table = lua.create_table()?;
    lua.set_named_registry_value(OPAQUES, &table)?;
    Ok(table)
}

fn convert(lua: &Lua, value: &LuaValue, depth: usize) -> mlua::Result<Option<Value>> {
    Ok(Some(match value {
        LuaValue::Nil => return Ok(None),
        LuaValue::Boolean(flag) => Value::Bool(*flag),
        LuaValue::Integer(integer) => Value::from(*integer),
        LuaValue::Number(given) => number(given.clamp(-f64::MAX, f64::MAX)),
        LuaValue::String(string) => Value::String(text::from_bytes(&string.as_bytes())),
        LuaValue::LightUserData(pointer) if pointer.0.is_null() => Value::Null,
        LuaValue::Table(_) if depth > MAX_DEPTH => {
            return Err(mlua::Error::runtime("a table is nested too deep, or contains itself"));
        }
        LuaValue::Table(table) => convert_table(lua, table, depth)?,
        other => opaque(keep(lua, other)?),
    }))
}

fn convert_table(lua: &Lua, table: &Table, depth: usize) -> mlua::Result<Value> {
    let length = table.raw_len();
    let mut items = Vec::with_capacity(length);
    let mut object = Map::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair?;
        let Some(value) = convert(lua, &value, depth + 1)? else { continue };
        match place(&key) {
            Some(place) if place == items.len() + 1 => items.push(value),
            _ => {
                object.insert(key_text(&key)?, value);
            }
        }
    }
    if object.is_empty() && (!items.is_empty() || is_array(lua, table)?) {
        return Ok(Value::Array(items));
    }
    let places = items.into_iter().enumerate().map(|(place, item)| (number_key((place + 1) as f64), item));
    object.extend(places);
    Ok(Value::Object(object))
}

fn place(key: &LuaValue) -> Option<usize> {
    match key {
        LuaValue::Integer(integer) => usize::try_from(*integer).ok(),
        LuaValue::Number(number) if *number >= 1.0 && *number == number.trunc() => Some(*number as usize),
        _ => None,
    }
}

fn key_text(key: &LuaValue) -> mlua::Result<String> {
    match key {
        LuaValue::String(string) => Ok(text::from_bytes(&string.as_bytes())),
        LuaValue::Integer(integer) => Ok(number_key(*integer as f64)),
        LuaValue::Number(number) => Ok(number_key(*number)),
        other => other.to_string(),
    }
}

/// Whether a table is marked as an array, as cjson marks them.
fn is_array(lua: &Lua, table: &Table) -> mlua::Result<bool> {
    match (table.metatable(), super::shape::array_metatable(lua)?) {
        (Some(own), Some(array)) => Ok(own == array),
        _ => Ok(false),
    }
}

/// Restores what [`convert`] clamped.
fn widen(number: f64) -> f64 {
    match number {
        f64::MAX => f64::INFINITY,
        f64::MIN => f64::NEG_INFINITY,
        number => number,
    }
}
