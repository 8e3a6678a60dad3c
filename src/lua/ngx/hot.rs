//! Functions of `ngx` that compiled Lua calls directly, through LuaJIT's FFI.
//!
//! They neither raise nor wait nor call back into Lua; what they cannot do by a plain value they leave
//! to the function of the C API of the same name. Text comes out as a pointer into a buffer of the
//! thread, which Lua copies at once.
#![allow(unsafe_code)] // the C ABI is what LuaJIT's FFI speaks

use super::{response, time, var};
use crate::exchange::current;
use crate::lua::frame::Frame;
use crate::shm::{Dict, Kind};
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};

/// The functions, in the order in which `lua/host/hot.lua` declares them.
#[repr(C)]
struct Hot {
    now: extern "C" fn() -> f64,
    var: unsafe extern "C" fn(*const c_char, usize, *mut Found) -> c_int,
    shared_get: unsafe extern "C" fn(*const c_void, *const c_char, usize, *mut Found) -> c_int,
    shared_incr: unsafe extern "C" fn(*const c_void, *const c_char, usize, f64, *mut Found) -> c_int,
    set_header: unsafe extern "C" fn(*const c_char, usize, *const c_char, usize) -> c_int,
}

/// A value handed to Lua; which of its fields counts, the function's answer says.
#[repr(C)]
struct Found {
    number: f64,
    data: *const c_char,
    len: usize,
    flags: u32,
}

/// There is no such value.
const NOTHING: c_int = 0;
/// `number` is 0 or 1, a boolean.
const BOOLEAN: c_int = 1;
/// `number` is one.
const NUMBER: c_int = 2;
/// `data` and `len` are a string.
const TEXT: c_int = 3;
/// Ask the function of the C API.
const ELSEWHERE: c_int = -1;

static HOT: Hot = Hot { now, var, shared_get, shared_incr, set_header };

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Adds the table of functions to the table at `ngx`, under a name that the prelude takes away.
pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.push_light(std::ptr::from_ref(&HOT).cast());
    frame.set_field(ngx, "_hot");
}

extern "C" fn now() -> f64 {
    time::now()
}

unsafe extern "C" fn var(name: *const c_char, len: usize, out: *mut Found) -> c_int {
    // SAFETY: pointer and length are those of a Lua string, which lives until the call returns.
    let name = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), len) };
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        match current::with(|exchange| var::read(exchange, name, scratch)) {
            None => ELSEWHERE,
            Some(false) => NOTHING,
            // SAFETY: Lua passes a place for the value and copies the text before the next call.
            Some(true) => unsafe { text(out, scratch) },
        }
    })
}

unsafe extern "C" fn shared_get(
    dict: *const c_void,
    key: *const c_char,
    len: usize,
    out: *mut Found,
) -> c_int {
    // SAFETY: as in `var`; `ngx.shared` keeps the dictionary alive.
    let (dict, key) = unsafe { (&*dict.cast::<Dict>(), std::slice::from_raw_parts(key.cast::<u8>(), len)) };
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let found = match dict.get(key, scratch) {
            Err(_) => return ELSEWHERE,
            Ok(None) => return NOTHING,
            Ok(Some(found)) => found,
        };
        // SAFETY: as in `var`.
        unsafe {
            (*out).flags = found.flags;
            match found.value {
                Kind::Boolean(truth) => {
                    (*out).number = f64::from(u8::from(truth));
                    BOOLEAN
                }
                Kind::Number(number) => {
                    (*out).number = number;
                    NUMBER
                }
                Kind::String => text(out, scratch),
            }
        }
    })
}

/// Adds to a number that is there.
unsafe extern "C" fn shared_incr(
    dict: *const c_void,
    key: *const c_char,
    len: usize,
    by: f64,
    out: *mut Found,
) -> c_int {
    // SAFETY: as in `shared_get`.
    let (dict, key) = unsafe { (&*dict.cast::<Dict>(), std::slice::from_raw_parts(key.cast::<u8>(), len)) };
    match dict.incr(key, by, None).result {
        Err(_) => ELSEWHERE,
        Ok(number) => {
            // SAFETY: as in `var`.
            unsafe { (*out).number = number };
            NUMBER
        }
    }
}

/// Gives a field of the response one value.
unsafe extern "C" fn set_header(
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
) -> c_int {
    // SAFETY: as in `var`, for both strings.
    let (name, value) = unsafe {
        (
            std::slice::from_raw_parts(name.cast::<u8>(), name_len),
            std::slice::from_raw_parts(value.cast::<u8>(), value_len),
        )
    };
    match current::with(|exchange| response::set_text(exchange, name, value)) {
        Some(true) => TEXT,
        _ => ELSEWHERE,
    }
}

/// # Safety
/// `out` is a place for a value; the text must stay until Lua has copied it.
unsafe fn text(out: *mut Found, text: &[u8]) -> c_int {
    // SAFETY: see above.
    unsafe {
        (*out).data = text.as_ptr().cast();
        (*out).len = text.len();
    }
    TEXT
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::{block_on, run_in};
    use crate::lua::{Vm, vm::Settings};
    use crate::shm::Dicts;
    use std::sync::Arc;

    #[test]
    fn both_ways_to_the_host_answer_alike() {
        for jit in [true, false] {
            let dicts = Some(Arc::new(Dicts::create(&[("d", 1 << 20)]).unwrap()));
            let vm = Vm::new(Settings { jit, dicts, ..Settings::default() }).unwrap();
            let source = r#"
                local d = ngx.shared.d
                for i = 1, 200 do
                  d:set("n", i) assert(d:get("n") == i and d:incr("n", 1) == i + 1)
                  d:set("s", "text" .. i, 0, i) local v, flags = d:get("s") assert(v == "text" .. i and flags == i)
                  d:set("b", false) assert(d:get("b") == false and d:get("none") == nil)
                  assert(select(2, d:incr("none", 1)) == "not found" and select(2, d:get("")) == "empty key" and select(2, d:get(nil)) == "nil key")
                  assert(d:incr("fresh" .. i, 1, 0) == 1)
                  local n, err, forcible = d:incr("n", 1, 5, 60) assert(n == i + 2 and err == nil and forcible == false)
                  assert(not pcall(d.incr, d, "n", 1, nil, 60) and d:get("n") == i + 2)
                  assert(ngx.now() > 1e9 and math.abs(ngx.now() - ngx.time()) <= 2)
                end
                d:lpush("l", 1) assert(select(2, d:get("l")) == "value is a list")
                assert(not pcall(function() return ngx.var.uri end))
                assert(not pcall(function() ngx.header["X-A"] = "1" end))
            "#;
            block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
        }
    }
}
