//! `cjson` and `cjson.safe`, with OpenResty's additions.
//!
//! Each module has settings of its own, as has each `cjson.new()`; `cjson.safe` answers `nil` and a
//! message where `cjson` raises.

mod decode;
mod encode;

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use mlua::ffi;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::ptr;

/// Registry field of `cjson.array_mt`.
const ARRAY_MT: &str = "cjson.array_mt";
/// Registry field of `cjson.empty_array_mt`.
const EMPTY_ARRAY_MT: &str = "cjson.empty_array_mt";
static EMPTY_ARRAY: u8 = 0;

/// What `cjson.encode_…` and `cjson.decode_…` set.
#[derive(Clone, Copy)]
struct Settings {
    safe: bool,
    sparse_convert: bool,
    sparse_ratio: u32,
    sparse_safe: u32,
    encode_depth: u32,
    decode_depth: u32,
    encode_invalid_numbers: InvalidNumbers,
    decode_invalid_numbers: bool,
    keep_buffer: bool,
    precision: u32,
    empty_table_as_object: bool,
    array_with_array_mt: bool,
    escape_slash: bool,
    skip_unsupported: bool,
}

/// What becomes of NaN and infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

impl Settings {
    const fn new(safe: bool) -> Self {
        Self {
            safe,
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            encode_invalid_numbers: InvalidNumbers::Refused,
            decode_invalid_numbers: true,
            keep_buffer: true,
            precision: 14,
            empty_table_as_object: true,
            array_with_array_mt: false,
            escape_slash: true,
            skip_unsupported: false,
        }
    }
}

thread_local! {
    /// Whether slashes are escaped.
    ///
    /// *Kong parity*: what one module is told, or merely asked, holds for all.
    static ESCAPE_SLASH: Cell<bool> = const { Cell::new(true) };
    /// Settings of all modules; a function's upvalue is the position of its own.
    static SETTINGS: RefCell<Vec<Settings>> = const { RefCell::new(Vec::new()) };
}

/// Loader of `cjson`.
pub(super) fn load(frame: &Frame) -> Answer {
    push_module(frame, false);
    Ok(1)
}

/// Loader of `cjson.safe`.
pub(super) fn load_safe(frame: &Frame) -> Answer {
    push_module(frame, true);
    Ok(1)
}

fn push_module(frame: &Frame, safe: bool) {
    let position = SETTINGS.with_borrow_mut(|all| {
        all.push(Settings::new(safe));
        all.len() - 1
    });
    frame.push_table(0, 32);
    let module = frame.top();
    frame.push_text("cjson");
    frame.set_field(module, "_NAME");
    frame.push_text("2.1.0.11");
    frame.set_field(module, "_VERSION");
    frame.push_light(ptr::null());
    frame.set_field(module, "null");
    frame.push_light(ptr::from_ref(&EMPTY_ARRAY).cast());
    frame.set_field(module, "empty_array");
    for (name, registered) in [("array_mt", ARRAY_MT), ("empty_array_mt", EMPTY_ARRAY_MT)] {
        push_metatable(frame, registered);
        frame.set_field(module, name);
    }
    install(frame, module, position);
}

/// Pushes `cjson.array_mt`.
pub(in crate::lua) fn push_array_mt(frame: &Frame) {
    push_metatable(frame, ARRAY_MT);
}

fn push_metatable(frame: &Frame, registered: &str) {
    frame.push_field(ffi::LUA_REGISTRYINDEX, registered);
    if frame.is_nil(-1) {
        frame.pop(1);
        frame.push_table(0, 0);
        frame.push_value(-1);
        frame.set_field(ffi::LUA_REGISTRYINDEX, registered);
    }
}

fn install(frame: &Frame, module: c_int, position: usize) {
    let add = |name: &str, push: &dyn Fn(&Frame)| {
        frame.push_integer(position as i64);
        push(frame);
        frame.set_field(module, name);
    };
    add("encode", &|frame| frame.push_closure(encode::call, 1));
    add("decode", &|frame| frame.push_closure(decode::call, 1));
    add("new", &|frame| {
        frame.push_closure(
            |frame| {
                push_module(frame, settings(frame).safe);
                Ok(1)
            },
            1,
        );
    });
    add("encode_sparse_array", &|frame| frame.push_closure(sparse, 1));
    add("encode_max_depth", &|frame| {
        frame.push_closure(|frame| whole(frame, 1, i32::MAX, |s| &mut s.encode_depth), 1);
    });
    add("decode_max_depth", &|frame| {
        frame.push_closure(|frame| whole(frame, 1, i32::MAX, |s| &mut s.decode_depth), 1);
    });
    add("encode_number_precision", &|frame| {
        frame.push_closure(|frame| whole(frame, 1, 16, |s| &mut s.precision), 1);
    });
    add("encode_invalid_numbers", &|frame| frame.push_closure(invalid_numbers, 1));
    add("decode_invalid_numbers", &|frame| {
        frame.push_closure(|frame| switch(frame, |s| &mut s.decode_invalid_numbers), 1);
    });
    add("encode_keep_buffer", &|frame| {
        frame.push_closure(|frame| switch(frame, |s| &mut s.keep_buffer), 1);
    });
    add("encode_empty_table_as_object", &|frame| {
        frame.push_closure(|frame| switch(frame, |s| &mut s.empty_table_as_object), 1);
    });
    add("decode_array_with_array_mt", &|frame| {
        frame.push_closure(|frame| switch(frame, |s| &mut s.array_with_array_mt), 1);
    });
    add("encode_escape_forward_slash", &|frame| {
        frame.push_closure(
            |frame| {
                let answer = switch(frame, |s| &mut s.escape_slash);
                ESCAPE_SLASH.set(settings(frame).escape_slash);
                answer
            },
            1,
        );
    });
    add("encode_skip_unsupported_value_types", &|frame| {
        frame.push_closure(|frame| switch(frame, |s| &mut s.skip_unsupported), 1);
    });
}

/// Position of the running function's settings.
fn position(frame: &Frame) -> usize {
    frame.number(Frame::upvalue(1)).unwrap_or(0.0) as usize
}

fn settings(frame: &Frame) -> Settings {
    SETTINGS.with_borrow(|all| all.get(position(frame)).copied().unwrap_or(Settings::new(false)))
}

fn change<R>(frame: &Frame, change: impl FnOnce(&mut Settings) -> R) -> Option<R> {
    SETTINGS.with_borrow_mut(|all| all.get_mut(position(frame)).map(change))
}

/// The complaint about an option's text, of which C sees what is before a zero byte.
fn invalid_option(text: &[u8]) -> Flow {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let text = String::from_utf8_lossy(text.get(..end).unwrap_or_default());
    Flow::Argument(1, format!("invalid option '{text}'"))
}

/// The state that a switch is to have; none where the caller only asks.
fn wanted(frame: &Frame) -> Result<Option<bool>, Flow> {
    Ok(match frame.kind(1) {
        Kind::None | Kind::Nil => None,
        Kind::Boolean => Some(frame.truth(1)),
        _ => match frame.bytes(1)? {
            b"on" => Some(true),
            b"off" => Some(false),
            other => return Err(invalid_option(other)),
        },
    })
}

/// Sets a switch by a boolean, "on" or "off", and answers its state.
fn switch(frame: &Frame, field: fn(&mut Settings) -> &mut bool) -> Answer {
    let wanted = wanted(frame)?;
    let state = change(frame, |settings| {
        let field = field(settings);
        *field = wanted.unwrap_or(*field);
        *field
    });
    frame.push_boolean(state.unwrap_or(false));
    Ok(1)
}

/// Sets a whole number within bounds and answers it.
fn whole(frame: &Frame, least: i32, most: i32, field: fn(&mut Settings) -> &mut u32) -> Answer {
    let wanted = bounded(frame, 1, least, most)?;
    let state = change(frame, |settings| {
        let field = field(settings);
        *field = wanted.unwrap_or(*field);
        *field
    });
    frame.push_integer(i64::from(state.unwrap_or(0)));
    Ok(1)
}

fn bounded(frame: &Frame, at: c_int, least: i32, most: i32) -> Result<Option<u32>, Flow> {
    let Some(number) = frame.optional_number(at)? else { return Ok(None) };
    // As C has it: what no integer holds is the least one, of which the lower half is taken.
    let whole = if number.abs() < 9.2e18 { number as i64 } else { i64::MIN } as i32;
    if whole < least || whole > most {
        return Err(Flow::Argument(1, format!("expected integer between {least} and {most}")));
    }
    Ok(Some(whole as u32))
}

fn sparse(frame: &Frame) -> Answer {
    let convert = wanted(frame)?;
    let ratio = bounded(frame, 2, 0, i32::MAX)?;
    let safe = bounded(frame, 3, 0, i32::MAX)?;
    change(frame, |settings| {
        settings.sparse_convert = convert.unwrap_or(settings.sparse_convert);
        settings.sparse_ratio = ratio.unwrap_or(settings.sparse_ratio);
        settings.sparse_safe = safe.unwrap_or(settings.sparse_safe);
    });
    let now = settings(frame);
    frame.push_boolean(now.sparse_convert);
    frame.push_integer(i64::from(now.sparse_ratio));
    frame.push_integer(i64::from(now.sparse_safe));
    Ok(3)
}

fn invalid_numbers(frame: &Frame) -> Answer {
    let wanted = match frame.kind(1) {
        Kind::None | Kind::Nil => None,
        Kind::Boolean if frame.truth(1) => Some(InvalidNumbers::Written),
        Kind::Boolean => Some(InvalidNumbers::Refused),
        _ => match frame.bytes(1)? {
            b"on" => Some(InvalidNumbers::Written),
            b"off" => Some(InvalidNumbers::Refused),
            b"null" => Some(InvalidNumbers::Null),
            other => return Err(invalid_option(other)),
        },
    };
    change(frame, |settings| {
        settings.encode_invalid_numbers = wanted.unwrap_or(settings.encode_invalid_numbers);
    });
    match settings(frame).encode_invalid_numbers {
        InvalidNumbers::Null => frame.push_text("null"),
        other => frame.push_boolean(other == InvalidNumbers::Written),
    }
    Ok(1)
}

/// Raises an error, or answers it where the module is the safe one.
fn refuse(frame: &Frame, settings: &Settings, message: String) -> Answer {
    if settings.safe { frame.fail(message) } else { Err(Flow::raise(message)) }
}

/// Checks for one argument, which `cjson.safe` checks too.
fn one_argument(frame: &Frame) -> Result<(), Flow> {
    if frame.top() == 1 { Ok(()) } else { Err(Flow::Argument(1, "expected 1 argument".into())) }
}

#[cfg(test)]
mod tests;
