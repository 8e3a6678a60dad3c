//! The exchange that Lua code of this thread acts on.
#![allow(unsafe_code)] // a raw pointer is what C functions called by Lua can reach

use super::{Exchange, LogContext};
use crate::observability::{Level, log};
use std::cell::Cell;
use std::ptr;

thread_local! {
    static CURRENT: Cell<*mut Exchange> = const { Cell::new(ptr::null_mut()) };
}

/// Makes `exchange` the one that Lua code acts on; null for code that runs for no request.
///
/// *Invariant*: whoever sets it keeps the exchange in place until it sets another, and sets it
/// before every resume of a coroutine.
pub fn set(exchange: *mut Exchange) {
    CURRENT.set(exchange);
}

/// The pointer last set; null for none.
pub fn pointer() -> *mut Exchange {
    CURRENT.get()
}

/// Where what [`set`] was given lies, for as long as this thread lives.
pub fn place() -> *const *mut Exchange {
    CURRENT.with(|current| current.as_ptr().cast_const())
}

/// Lets `act` work on the current exchange; `None` when no request is being served.
///
/// `act` must not run Lua code nor call this again: the reference it gets must be the only one.
pub fn with<R>(act: impl FnOnce(&mut Exchange) -> R) -> Option<R> {
    let pointer = CURRENT.get();
    // SAFETY: by the invariant of `set` the pointer is null or names an exchange that stays in place
    // while Lua runs on this thread; no other reference to it lives meanwhile, since the proxy waits
    // for Lua and `act` does not re-enter.
    unsafe { pointer.as_mut() }.map(act)
}

/// Writes a line of the error log, about the current exchange where there is one.
pub fn log(level: Level, message: &[u8]) {
    // SAFETY: as in `with`; the reference is shared and ends with the line.
    match unsafe { CURRENT.get().as_ref() } {
        Some(exchange) => {
            let action = super::log_context::action(exchange);
            log::write_bytes(level, Some(&LogContext(exchange)), &[message, action].concat());
        }
        None => log::write_bytes(level, None, message),
    }
}
