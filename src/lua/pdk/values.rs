//! JSON values as Lua values.

use crate::lua::frame::{Flow, Frame};
use serde_json::{Map, Value};

/// How deep a value may nest.
const DEEPEST: usize = 100;

/// Pushes a JSON value. A null in an object is left out, one in an array becomes `nil`: what plugins
/// see of entities has no nulls.
///
/// # Errors
/// A value that nests too deep, or a full Lua stack; nothing is pushed then.
pub fn push(frame: &Frame, value: &Value) -> Result<(), Flow> {
    push_at(frame, value, DEEPEST)
}

/// Pushes an object as a table.
///
/// # Errors
/// As [`push`].
pub fn push_object(frame: &Frame, object: &Map<String, Value>) -> Result<(), Flow> {
    push_map(frame, object, DEEPEST)
}

/// Pushes an object as a table whose nulls are `ngx.null`, as the Admin API shows entities.
///
/// # Errors
/// As [`push`].
pub fn push_object_with_nulls(frame: &Frame, object: &Map<String, Value>) -> Result<(), Flow> {
    push_object(frame, object)?;
    fill_nulls(frame, object, DEEPEST)
}

/// Adds what [`push_map`] left out to the table on top.
fn fill_nulls(frame: &Frame, object: &Map<String, Value>, depth: usize) -> Result<(), Flow> {
    let below = depth.checked_sub(1).ok_or_else(too_deep)?;
    frame.reserve(4)?;
    for (name, value) in object {
        match value {
            Value::Null => {
                frame.push_light(std::ptr::null());
                frame.set_field(-2, name);
            }
            Value::Object(inner) => {
                frame.push_field(-1, name);
                fill_nulls(frame, inner, below)?;
                frame.pop(1);
            }
            _ => {}
        }
    }
    Ok(())
}

fn push_at(frame: &Frame, value: &Value, depth: usize) -> Result<(), Flow> {
    frame.reserve(4)?;
    match value {
        Value::Null => frame.push_nil(),
        Value::Bool(truth) => frame.push_boolean(*truth),
        Value::Number(number) => frame.push_number(number.as_f64().unwrap_or_default()),
        Value::String(text) => frame.push_text(text),
        Value::Array(items) => push_array(frame, items, depth)?,
        Value::Object(object) => push_map(frame, object, depth)?,
    }
    Ok(())
}

fn push_array(frame: &Frame, items: &[Value], depth: usize) -> Result<(), Flow> {
    let below = depth.checked_sub(1).ok_or_else(too_deep)?;
    frame.push_table(items.len(), 0);
    for (at, item) in items.iter().enumerate() {
        push_inner(frame, item, below)?;
        frame.set_index(-2, at + 1);
    }
    // So that an empty one stays an array in JSON.
    crate::lua::library::push_array_mt(frame);
    frame.set_metatable(-2);
    Ok(())
}

fn push_map(frame: &Frame, object: &Map<String, Value>, depth: usize) -> Result<(), Flow> {
    let below = depth.checked_sub(1).ok_or_else(too_deep)?;
    frame.reserve(4)?;
    frame.push_table(0, object.len());
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        push_inner(frame, value, below)?;
        frame.set_field(-2, name);
    }
    Ok(())
}

/// Pushes a value inside a table that is being made, which goes when it cannot be.
fn push_inner(frame: &Frame, value: &Value, depth: usize) -> Result<(), Flow> {
    let pushed = push_at(frame, value, depth);
    if pushed.is_err() {
        frame.pop(1);
    }
    pushed
}

fn too_deep() -> Flow {
    Flow::raise("a value nests too deep")
}
