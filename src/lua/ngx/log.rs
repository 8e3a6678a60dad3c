//! `ngx.log` and `print`: lines of the error log with the Lua file and line that wrote them.
#![allow(unsafe_code)] // The caller's position comes from the debug API.

use crate::exchange::{Phase, current};
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::{Level, log};
use mlua::ffi;
use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

/// Longest message; nginx cuts at the same length.
const LONGEST: usize = 4096;

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "log", |frame| {
        let level = frame.integer(1)?;
        let level = u8::try_from(level)
            .ok()
            .and_then(Level::from_number)
            .ok_or_else(|| Flow::Argument(1, format!("bad log level: {level}")))?;
        write(frame, level, 2)
    });
    frame.push_function(|frame| write(frame, Level::Notice, 1));
    frame.push_value(-1);
    frame.set_field(ngx, "_print");
    // `print` is a global; the prelude has no business with it.
    frame.set_field(ffi::LUA_GLOBALSINDEX, "print");
}

fn write(frame: &Frame, level: Level, first: c_int) -> Answer {
    if !log::enabled(level) {
        return Ok(0);
    }
    let mut line = b"[lua] ".to_vec();
    position(frame, 1, &mut line);
    for at in first..=frame.top() {
        append(frame, at, at - first + 1, &mut line)?;
    }
    line.truncate(LONGEST);
    if context::phase() == Phase::Timer {
        line.extend_from_slice(b", context: ngx.timer");
    }
    current::log(level, &line);
    Ok(0)
}

/// Appends `file.lua:12: ` or `file.lua:12: function(): ` for the function at `level`.
pub(crate) fn position(frame: &Frame, level: c_int, line: &mut Vec<u8>) {
    let mut debug = MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: Lua fills the record; its strings are live until the function returns.
    let (source, at, name) = unsafe {
        if ffi::lua_getstack(frame.state(), level, debug.as_mut_ptr()) == 0 {
            return;
        }
        ffi::lua_getinfo(frame.state(), c"nSl".as_ptr(), debug.as_mut_ptr());
        let debug = debug.assume_init_ref();
        let text = |pointer: *const std::ffi::c_char| {
            if pointer.is_null() { &[][..] } else { CStr::from_ptr(pointer).to_bytes() }
        };
        (text(debug.short_src.as_ptr()), debug.currentline, text(debug.name))
    };
    let file = source.rsplit(|byte| *byte == b'/').next().unwrap_or(source);
    line.extend_from_slice(file);
    line.extend_from_slice(format!(":{at}: ").as_bytes());
    if !name.is_empty() {
        line.extend_from_slice(name);
        line.extend_from_slice(b"(): ");
    }
}

/// Appends the value at `at` in the words of `ngx.log`.
///
/// `argument` is its place among the values that are logged, which error texts tell.
fn append(frame: &Frame, at: c_int, argument: c_int, line: &mut Vec<u8>) -> Result<(), Flow> {
    match frame.kind(at) {
        Kind::Number | Kind::String => line.extend_from_slice(frame.bytes(at)?),
        Kind::Nil => line.extend_from_slice(b"nil"),
        Kind::Boolean => line.extend_from_slice(if frame.truth(at) { b"true" } else { b"false" }),
        Kind::Light if frame.pointer(at).is_null() => line.extend_from_slice(b"null"),
        Kind::Table => append_table(frame, at, argument, line)?,
        _ => {
            let kind = frame.kind_name(at);
            let text = format!("string, number, boolean, or nil expected, got {kind}");
            return Err(Flow::Argument(argument, text));
        }
    }
    Ok(())
}

/// A table is logged if it says how it reads.
fn append_table(frame: &Frame, at: c_int, argument: c_int, line: &mut Vec<u8>) -> Result<(), Flow> {
    let refused = || Flow::Argument(argument, "expected table to have __tostring metamethod".into());
    if !frame.push_metatable(at) {
        return Err(refused());
    }
    frame.push_field(-1, "__tostring");
    if frame.is_nil(-1) {
        return Err(refused());
    }
    frame.push_value(at);
    frame.call(1, 1)?;
    line.extend_from_slice(frame.text_at(-1).unwrap_or_default());
    frame.pop(2);
    Ok(())
}
