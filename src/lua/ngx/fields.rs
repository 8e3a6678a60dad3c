//! Field lines as Lua tables, and values that Lua gives for them.

use super::encode::push_multi;
use crate::http::Fields;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::log;
use std::ffi::c_int;

/// Field lines that are read when nobody says otherwise.
pub(super) const DEFAULT_MAX: usize = 100;

/// How many field lines `get_headers(max, raw)` may read: its first argument; `negative` for one below 0.
///
/// # Errors
/// An argument that is no number.
pub(super) fn most(frame: &Frame, negative: usize) -> Result<usize, Flow> {
    Ok(match frame.optional_number(1)? {
        None => DEFAULT_MAX,
        Some(max) if max.is_nan() || max <= -1.0 => negative,
        Some(max) if max < 1.0 => usize::MAX,
        Some(max) => max as usize,
    })
}

/// Pushes at most `max` field lines as a table; names in lower case unless the argument `raw` of
/// `get_headers(max, raw)` says otherwise.
pub(super) fn push_fields(frame: &Frame, fields: &Fields, max: usize) {
    frame.push_table(0, fields.len().min(max));
    fill_fields(frame, fields.iter().take(max), frame.top());
}

/// As [`push_fields`], these lines into a table.
pub(super) fn fill_fields<'a>(
    frame: &Frame,
    lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    table: c_int,
) {
    let raw = frame.truth(2);
    let mut lower = Vec::with_capacity(32);
    for (name, value) in lines {
        lower.clear();
        lower.extend_from_slice(name);
        if !raw {
            lower.make_ascii_lowercase();
        }
        push_multi(frame, table, &lower, |frame| frame.push_bytes(value));
    }
}

/// How many results `get_headers` of a `side` has: a second one, "truncated", where there were more than `max`.
pub(super) fn push_excess(frame: &Frame, side: &str, lines: usize, max: usize) -> Answer {
    if lines <= max {
        return Ok(1);
    }
    log::debug!("lua exceeding {side} header limit {lines} > {max}");
    frame.push_text("truncated");
    Ok(2)
}

/// Pushes the value of a field: a string, a list of them where it has several lines, or `nil`.
pub(super) fn push_field(frame: &Frame, fields: &Fields, name: &[u8]) {
    let mut values = fields.values(name);
    let Some(first) = values.next() else { return frame.push_nil() };
    let Some(second) = values.next() else { return frame.push_bytes(first) };
    frame.push_table(2, 0);
    for (index, value) in [first, second].into_iter().chain(values).enumerate() {
        frame.push_bytes(value);
        frame.set_index(-2, index + 1);
    }
}

/// Sets a field to the value at `at`: a string, a number, a boolean, a list of these; `nil` and an
/// empty list remove it.
///
/// # Errors
/// A value of another type.
pub(super) fn set_field(frame: &Frame, fields: &mut Fields, name: &[u8], at: c_int) -> Result<(), Flow> {
    let name = &*without_breaks(name);
    if frame.kind(at) != Kind::Table {
        match value_at(frame, at)? {
            Some(value) => fields.set(name, &value),
            None => {
                fields.remove(name);
            }
        }
        return Ok(());
    }
    // The first value takes the place of the field there is, the others come last.
    frame.push_index(at, 1);
    match value_at(frame, frame.top())? {
        Some(value) => fields.set(name, &value),
        None => {
            fields.remove(name);
        }
    }
    frame.pop(1);
    add_values(frame, fields, name, at, 2)
}

/// Adds lines for the value at `at`, keeping those there are.
///
/// # Errors
/// A value of another type.
pub(super) fn add_field(frame: &Frame, fields: &mut Fields, name: &[u8], at: c_int) -> Result<(), Flow> {
    let name = &*without_breaks(name);
    if frame.kind(at) == Kind::Table {
        return add_values(frame, fields, name, at, 1);
    }
    if let Some(value) = value_at(frame, at)? {
        fields.append(name, &value);
    }
    Ok(())
}

/// Adds lines for the values of a list from an index on.
fn add_values(frame: &Frame, fields: &mut Fields, name: &[u8], at: c_int, first: usize) -> Result<(), Flow> {
    for index in first..=frame.length(at) {
        frame.push_index(at, index);
        if let Some(value) = value_at(frame, frame.top())? {
            fields.append(name, &value);
        }
        frame.pop(1);
    }
    Ok(())
}

fn value_at(frame: &Frame, at: c_int) -> Result<Option<Vec<u8>>, Flow> {
    match frame.kind(at) {
        Kind::None | Kind::Nil => Ok(None),
        Kind::Boolean => Ok(Some(if frame.truth(at) { b"true".to_vec() } else { b"false".to_vec() })),
        Kind::String | Kind::Number => Ok(Some(without_breaks(frame.bytes(at)?).into_owned())),
        _ => {
            // Whatever it is, its text is what is sent.
            let at = frame.absolute(at);
            frame.push_field(mlua::ffi::LUA_GLOBALSINDEX, "tostring");
            frame.push_value(at);
            frame.call(1, 1)?;
            let text = without_breaks(frame.bytes(-1)?).into_owned();
            frame.pop(1);
            Ok(Some(text))
        }
    }
}

/// Line breaks and zero bytes would end the field line; nginx escapes them.
fn without_breaks(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, 0..=0x08 | 0x0a..=0x1f | 0x7f)) {
        return text.into();
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        match byte {
            0..=0x08 | 0x0a..=0x1f | 0x7f => crate::http::uri::push_triplet(&mut out, byte),
            _ => out.push(byte),
        }
    }
    out.into()
}
