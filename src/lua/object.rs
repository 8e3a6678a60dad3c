//! Rust values that Lua code holds.
#![allow(unsafe_code)] // The value lies in memory that Lua owns and frees.

use super::frame::{Flow, Frame, Kind};
use mlua::ffi::{self, lua_State};
use std::ffi::{CStr, c_int};

/// A Rust type that lives in a userdata.
pub trait Object: Sized + 'static {
    /// Name of the type, also in error texts. Unique.
    const NAME: &'static CStr;

    /// Adds the methods to the table on top; they become its `__index`.
    fn methods(frame: &Frame, table: c_int);
}

/// Pushes a value; Lua drops it when it collects the userdata.
pub fn push<T: Object>(frame: &Frame, value: T) {
    let state = frame.state();
    // SAFETY: Lua's blocks are aligned to 16 bytes; the value is written before the metatable with
    // its `__gc` is set, so that it is dropped exactly once.
    unsafe {
        const { assert!(align_of::<T>() <= 16) };
        let place = ffi::lua_newuserdata(state, size_of::<T>()).cast::<T>();
        place.write(value);
    }
    push_type::<T>(frame);
    frame.set_metatable(-2);
}

/// Pushes a value as OpenResty's objects are: a table that Lua code may add fields to, with the value
/// as its first item and the methods in its metatable.
pub fn push_wrapped<T: Object>(frame: &Frame, value: T) {
    frame.push_table(1, 0);
    push(frame, value);
    frame.set_index(-2, 1);
    push_type::<T>(frame);
    frame.push_field(-1, "wrapped");
    frame.set_metatable(-3);
    frame.pop(1);
}

/// The value in the userdata at `at`, or in the first item of the table there.
///
/// # Errors
/// A type error that names the argument.
pub fn at<T: Object>(frame: &Frame, at: c_int) -> Result<&T, Flow> {
    // What Lua code holds of most objects is a table.
    let missing = if frame.kind(at) == Kind::Table || frame.kind(at) == Kind::Userdata {
        Flow::Type(at, T::NAME)
    } else {
        Flow::Type(at, c"table")
    };
    if frame.kind(at) == Kind::Table {
        frame.push_index(at, 1);
        let found = in_userdata::<T>(frame, -1);
        frame.pop(1);
        return found.ok_or(missing);
    }
    in_userdata::<T>(frame, at).ok_or(missing)
}

fn in_userdata<T: Object>(frame: &Frame, at: c_int) -> Option<&T> {
    if frame.kind(at) != Kind::Userdata || !frame.push_metatable(at) {
        return None;
    }
    push_type::<T>(frame);
    let same = frame.same(-1, -2);
    frame.pop(2);
    // SAFETY: the metatable says that a `T` lies there; the argument keeps it alive during the
    // call, and host functions get shared references only.
    same.then(|| unsafe { &*ffi::lua_touserdata(frame.state(), at).cast::<T>() })
}

/// Pushes the metatable of a type, made at its first use in a VM.
fn push_type<T: Object>(frame: &Frame) {
    let state = frame.state();
    let name = T::NAME.to_str().unwrap_or_default();
    frame.push_field(ffi::LUA_REGISTRYINDEX, name);
    if frame.kind(-1) == Kind::Table {
        return;
    }
    frame.pop(1);
    frame.push_table(0, 3);
    frame.push_table(0, 8);
    let methods = frame.top();
    T::methods(frame, methods);
    // The metatable of tables that wrap the value: the same methods, nothing to collect.
    frame.push_table(0, 1);
    frame.push_value(methods);
    frame.set_field(-2, "__index");
    frame.set_field(-3, "wrapped");
    frame.set_field(-2, "__index");
    // SAFETY: pushes one value.
    unsafe { ffi::lua_pushcclosure(state, collect::<T>, 0) };
    frame.set_field(-2, "__gc");
    frame.push_value(-1);
    frame.set_field(ffi::LUA_REGISTRYINDEX, name);
}

unsafe extern "C-unwind" fn collect<T: Object>(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls `__gc` once, with the userdata; a second call by hand finds no metatable.
    unsafe {
        let place = ffi::lua_touserdata(state, 1).cast::<T>();
        if !place.is_null() && ffi::lua_getmetatable(state, 1) != 0 {
            ffi::lua_pushnil(state);
            ffi::lua_setmetatable(state, 1);
            place.drop_in_place();
        }
    }
    0
}
