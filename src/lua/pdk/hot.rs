//! Functions that compiled Lua calls directly, through LuaJIT's FFI.
//!
//! They neither throw nor wait nor call back into Lua. Text goes in as pointer and length, and comes
//! out as a pointer into the exchange or into a buffer of the thread; Lua copies it at once.
#![allow(unsafe_code)] // the C ABI is what LuaJIT's FFI speaks

use crate::cache;
use crate::exchange::{Exchange, current};
use crate::lua::context;
use crate::lua::frame::{Answer, Frame};
use crate::observability::log;
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::time::{SystemTime, UNIX_EPOCH};

/// A piece of text handed to Lua.
#[repr(C)]
pub struct Text {
    data: *const c_char,
    len: usize,
}

/// The functions, in the order in which `lua/kong/host.lua` declares them.
#[repr(C)]
struct Hot {
    phase: extern "C" fn() -> *const u32,
    log_level: extern "C" fn() -> c_int,
    request_id: unsafe extern "C" fn(*mut Text) -> c_int,
    method: unsafe extern "C" fn(*mut Text) -> c_int,
    request_header: unsafe extern "C" fn(*const c_char, usize, *mut Text) -> c_int,
    query_arg: unsafe extern "C" fn(*const c_char, usize, *mut Text) -> c_int,
    set_request_header: unsafe extern "C" fn(*const c_char, usize, *const c_char, usize),
    clear_request_header: unsafe extern "C" fn(*const c_char, usize),
    response_header: unsafe extern "C" fn(*const c_char, usize, *mut Text) -> c_int,
    response_sent: extern "C" fn() -> c_int,
    cache_sequence: extern "C" fn() -> u64,
    now: extern "C" fn() -> f64,
}

static HOT: Hot = Hot {
    phase: context::shown_phase_of_thread,
    log_level,
    request_id,
    method,
    request_header,
    query_arg,
    set_request_header,
    clear_request_header,
    response_header,
    response_sent,
    cache_sequence,
    now,
};

thread_local! {
    /// Text that no exchange holds, such as a decoded argument.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Adds the table of functions for the JIT, or their equals for the C API.
pub(super) fn install(frame: &Frame, table: c_int, jit: bool) {
    if jit {
        frame.push_light(std::ptr::from_ref(&HOT).cast::<c_void>());
        frame.set_field(table, "hot");
    }
    frame.set_function(table, "phase", |frame| number(frame, context::shown_phase().into()));
    frame.set_function(table, "claim_phase", |frame| {
        context::claim_phase(frame.optional_number(1)?.unwrap_or(0.0) as u32)?;
        Ok(0)
    });
    frame.set_function(table, "claim_proxied", |frame| {
        let claimed = frame.truth(1);
        context::with_exchange(|exchange| exchange.lua.proxied = claimed)?;
        Ok(0)
    });
    frame.set_function(table, "log_level", |frame| number(frame, log_level().into()));
    frame.set_function(table, "response_sent", |frame| truth(frame, response_sent()));
    frame.set_function(table, "cache_sequence", |frame| number(frame, cache_sequence() as f64));
    frame.set_function(table, "now", |frame| number(frame, now()));
    frame.set_function(table, "request_id", |frame| optional(frame, |exchange| Some(exchange.id.as_bytes())));
    frame.set_function(table, "method", |frame| {
        optional(frame, |exchange| Some(exchange.request.head.method.as_bytes()))
    });
    frame.set_function(table, "request_header", |frame| counted(frame, super::request::header));
    frame.set_function(table, "response_header", |frame| counted(frame, super::response::header));
    frame.set_function(table, "query_arg", push_query_arg);
    frame.set_function(table, "set_request_header", |frame| {
        let (name, value) = (frame.bytes(1)?, frame.bytes(2)?);
        context::with_exchange(|exchange| super::request::set_header(exchange, name, value))?;
        Ok(0)
    });
    frame.set_function(table, "clear_request_header", |frame| {
        let name = frame.bytes(1)?;
        context::with_exchange(|exchange| super::request::clear_header(exchange, name))?;
        Ok(0)
    });
}

extern "C" fn log_level() -> c_int {
    c_int::from(log::level() as u8)
}

extern "C" fn response_sent() -> c_int {
    c_int::from(current::with(|exchange| exchange.response.head_sent).unwrap_or(false))
}

/// The generation of the configuration in the high half, the number of cache invalidations in the low.
extern "C" fn cache_sequence() -> u64 {
    // With a database, caches are told by key what changed, and outlive configurations.
    let generation = super::SETTINGS.with_borrow(|settings| {
        let settings = settings.as_ref().filter(|settings| settings.connector.is_none());
        settings.map_or(0, |settings| settings.published.generation())
    });
    (generation & 0xf_ffff) << 32 | cache::sequence() & 0xffff_ffff
}

extern "C" fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

unsafe extern "C" fn request_id(out: *mut Text) -> c_int {
    // SAFETY: Lua passes a place for the text; the identity lies in the exchange, which stays in place.
    unsafe { read(out, |exchange| Some(exchange.id.as_bytes())) }
}

unsafe extern "C" fn method(out: *mut Text) -> c_int {
    // SAFETY: as in `request_id`; the method lies in the exchange.
    unsafe { read(out, |exchange| Some(exchange.request.head.method.as_bytes())) }
}

unsafe extern "C" fn request_header(name: *const c_char, len: usize, out: *mut Text) -> c_int {
    // SAFETY: pointer and length are those of a Lua string, which lives until the call returns.
    unsafe { lines(bytes(name, len), out, super::request::header) }
}

unsafe extern "C" fn response_header(name: *const c_char, len: usize, out: *mut Text) -> c_int {
    // SAFETY: as in `request_header`.
    unsafe { lines(bytes(name, len), out, super::response::header) }
}

/// How often an argument is there; negative when the first has no `=`.
unsafe extern "C" fn query_arg(name: *const c_char, len: usize, out: *mut Text) -> c_int {
    // SAFETY: as in `request_header`.
    let name = unsafe { bytes(name, len) };
    SCRATCH.with_borrow_mut(|value| {
        let found = current::with(|exchange| super::request::query_arg(exchange, name, value)).flatten();
        // SAFETY: the buffer belongs to the thread and is next written by a later call.
        unsafe { write(out, value) };
        found.map_or(0, |(count, has_value)| if has_value { count } else { -count })
    })
}

unsafe extern "C" fn set_request_header(
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
) {
    // SAFETY: as in `request_header`, for both strings.
    let (name, value) = unsafe { (bytes(name, name_len), bytes(value, value_len)) };
    current::with(|exchange| super::request::set_header(exchange, name, value));
}

unsafe extern "C" fn clear_request_header(name: *const c_char, len: usize) {
    // SAFETY: as in `request_header`.
    let name = unsafe { bytes(name, len) };
    current::with(|exchange| super::request::clear_header(exchange, name));
}

/// Hands out a text of the current exchange; 0 where there is none.
unsafe fn read(out: *mut Text, find: impl FnOnce(&Exchange) -> Option<&[u8]>) -> c_int {
    current::with(|exchange| match find(exchange) {
        Some(text) => {
            // SAFETY: see the callers.
            unsafe { write(out, text) };
            1
        }
        None => 0,
    })
    .unwrap_or(0)
}

/// What finds the first value of a header and how many lines it has.
type Find = for<'a> fn(&'a Exchange, &[u8]) -> Option<(&'a [u8], usize)>;

unsafe fn lines(name: &[u8], out: *mut Text, find: Find) -> c_int {
    current::with(|exchange| match find(exchange, name) {
        Some((value, lines)) => {
            // SAFETY: the value lies in the exchange.
            unsafe { write(out, value) };
            c_int::try_from(lines).unwrap_or(c_int::MAX)
        }
        None => 0,
    })
    .unwrap_or(0)
}

unsafe fn write(out: *mut Text, text: &[u8]) {
    // SAFETY: Lua passes the address of a `kong_text` of its own.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = Text { data: text.as_ptr().cast(), len: text.len() };
    }
}

unsafe fn bytes<'a>(data: *const c_char, len: usize) -> &'a [u8] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller passes a Lua string with its length.
    unsafe { std::slice::from_raw_parts(data.cast(), len) }
}

fn number(frame: &Frame, value: f64) -> Answer {
    frame.push_number(value);
    Ok(1)
}

fn truth(frame: &Frame, value: c_int) -> Answer {
    frame.push_boolean(value != 0);
    Ok(1)
}

fn optional(frame: &Frame, find: impl FnOnce(&Exchange) -> Option<&[u8]>) -> Answer {
    let pushed = current::with(|exchange| find(exchange).map(|text| frame.push_bytes(text)));
    Ok(c_int::from(pushed.flatten().is_some()))
}

fn counted(frame: &Frame, find: Find) -> Answer {
    let name = frame.bytes(1)?;
    let found = context::with_exchange(|exchange| {
        find(exchange, name).map(|(value, lines)| {
            frame.push_bytes(value);
            lines
        })
    })?;
    let Some(lines) = found else { return Ok(0) };
    frame.push_integer(i64::try_from(lines).unwrap_or(i64::MAX));
    Ok(2)
}

fn push_query_arg(frame: &Frame) -> Answer {
    let name = frame.bytes(1)?;
    let mut value = Vec::new();
    let found = context::with_exchange(|exchange| super::request::query_arg(exchange, name, &mut value))?;
    let Some((count, has_value)) = found else { return Ok(0) };
    if has_value {
        frame.push_bytes(&value);
    } else {
        frame.push_boolean(true);
    }
    frame.push_integer(count.into());
    Ok(2)
}
