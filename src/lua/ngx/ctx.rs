//! Tables that Lua keeps for a request: `ngx.ctx` and the variables plugins set.
//!
//! The exchange holds their registry references; they are let go of with the exchange. Code that
//! runs for no request (timers) has a table of its own for each call, found by the coroutine tree's
//! number.
#![allow(unsafe_code)] // Registry references are made and freed through the C API.

use crate::exchange::{LuaSlots, current};
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::vm::Vm;
use mlua::ffi;
use std::ffi::c_int;

/// Registry field of the tables of calls without a request.
const BARE: &str = "kong.bare_contexts";

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.push_table(0, 8);
    frame.set_field(ffi::LUA_REGISTRYINDEX, BARE);
    frame.set_function(ngx, "_get_ctx", get);
    frame.set_function(ngx, "_set_ctx", set);
    frame.set_function(ngx, "_vars", vars);
}

/// Pushes `ngx.ctx` of the running code, made at its first use.
///
/// # Errors
/// Never without a request; kept fallible for callers that pass it on.
pub fn push_ctx(frame: &Frame) -> Result<(), Flow> {
    let slot = current::with(|exchange| exchange.lua.ctx);
    match slot {
        None => push_bare(frame),
        Some(0) => {
            frame.push_table(0, 32);
            frame.push_value(-1);
            let reference = refer(frame);
            current::with(|exchange| exchange.lua.ctx = reference);
        }
        Some(reference) => push_reference(frame, reference),
    }
    Ok(())
}

/// Forgets the `ngx.ctx` of a call without a request.
pub(in crate::lua) fn forget_bare(frame: &Frame, number: u64) {
    frame.push_field(ffi::LUA_REGISTRYINDEX, BARE);
    frame.push_number(number as f64);
    frame.push_nil();
    frame.raw_set(-3);
    frame.pop(1);
}

fn push_bare(frame: &Frame) {
    let number = context::current().number as f64;
    frame.push_field(ffi::LUA_REGISTRYINDEX, BARE);
    frame.push_number(number);
    frame.raw_get(-2);
    if frame.kind(-1) != Kind::Table {
        frame.pop(1);
        frame.push_table(0, 8);
        frame.push_number(number);
        frame.push_value(-2);
        frame.raw_set(-4);
    }
    frame.insert(-2);
    frame.pop(1);
}

fn get(frame: &Frame) -> Answer {
    push_ctx(frame)?;
    Ok(1)
}

fn set(frame: &Frame) -> Answer {
    frame.expect(1, Kind::Table, c"table")?;
    frame.push_value(1);
    match current::with(|exchange| exchange.lua.ctx) {
        None => {
            frame.push_field(ffi::LUA_REGISTRYINDEX, BARE);
            frame.push_number(context::current().number as f64);
            frame.push_value(1);
            frame.raw_set(-3);
        }
        Some(0) => {
            let reference = refer(frame);
            current::with(|exchange| exchange.lua.ctx = reference);
        }
        Some(reference) => {
            frame.set_index(ffi::LUA_REGISTRYINDEX, reference.unsigned_abs() as usize);
        }
    }
    Ok(0)
}

/// The table of free variables; with a truthy argument it is made where it is missing.
fn vars(frame: &Frame) -> Answer {
    match context::with_exchange(|exchange| exchange.lua.vars)? {
        0 if frame.truth(1) => {
            frame.push_table(0, 4);
            frame.push_value(-1);
            let reference = refer(frame);
            context::with_exchange(|exchange| exchange.lua.vars = reference)?;
        }
        0 => frame.push_nil(),
        reference => push_reference(frame, reference),
    }
    Ok(1)
}

fn push_reference(frame: &Frame, reference: c_int) {
    frame.push_index(ffi::LUA_REGISTRYINDEX, reference.unsigned_abs() as usize);
}

/// Takes the value on top into the registry.
fn refer(frame: &Frame) -> c_int {
    // SAFETY: pops the value on top.
    unsafe { ffi::luaL_ref(frame.state(), ffi::LUA_REGISTRYINDEX) }
}

impl Drop for LuaSlots {
    fn drop(&mut self) {
        if self.ctx == 0 && self.vars == 0 {
            return;
        }
        // Without a VM the thread ends, and its tables have gone.
        let Ok(vm) = Vm::current() else { return };
        for reference in [self.ctx, self.vars] {
            if reference != 0 {
                // SAFETY: the references were made by `refer` in this thread's VM.
                unsafe { ffi::luaL_unref(vm.frame().state(), ffi::LUA_REGISTRYINDEX, reference) };
            }
        }
    }
}
