//! Tables that Lua keeps for a request: `ngx.ctx` and the variables plugins set.
//!
//! The exchange holds their registry references; they are let go of with the exchange. Code that
//! runs for no request (timers) has a table of its own for each call, found by the coroutine tree's
//! number.
#![allow(unsafe_code)] // Registry references are made and freed through the C API.

use crate::exchange::{Exchange, Held, LuaSlots, Phase, current};
use crate::lua::context;
use crate::lua::error::LuaError;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::vm::Vm;
use mlua::ffi;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_int;

/// Registry field of the tables of calls without a request.
const BARE: &str = "kong.bare_contexts";

/// Room for the fields that the gateway and usual plugins keep.
const FIELDS: usize = 16;

thread_local! {
    /// Registry reference of the metatable that contexts of requests get; zero for none.
    static METATABLE: Cell<c_int> = const { Cell::new(0) };
    /// What ends with calls that run for no request, by their numbers.
    static HELD: RefCell<HashMap<u64, Vec<Held>>> = RefCell::new(HashMap::new());
}

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
            let reference = make(frame);
            current::with(|exchange| exchange.lua.ctx = reference);
            push_reference(frame, reference);
        }
        Some(reference) => push_reference(frame, reference),
    }
    Ok(())
}

/// Gives the contexts of this VM's requests a metatable.
///
/// # Errors
/// When the stack has no room.
pub(in crate::lua) fn use_metatable(vm: &Vm, table: mlua::Table) -> Result<(), LuaError> {
    let frame = vm.frame();
    vm.reference(table)?.push(&frame);
    METATABLE.set(refer(&frame));
    Ok(())
}

/// Registry reference of an exchange's `ngx.ctx`, made at its first use.
pub(in crate::lua) fn reference_of(exchange: &mut Exchange, vm: &Vm) -> c_int {
    if exchange.lua.ctx == 0 {
        exchange.lua.ctx = make(&vm.frame());
    }
    exchange.lua.ctx
}

fn make(frame: &Frame) -> c_int {
    frame.push_table(0, FIELDS);
    give_metatable(frame);
    refer(frame)
}

/// Gives the table on top the metatable of contexts.
fn give_metatable(frame: &Frame) {
    let metatable = METATABLE.get();
    if metatable != 0 {
        push_reference(frame, metatable);
        frame.set_metatable(-2);
    }
}

/// Forgets the `ngx.ctx` of a call without a request, and ends what it holds.
pub(in crate::lua) fn forget_bare(frame: &Frame, number: u64) {
    frame.push_field(ffi::LUA_REGISTRYINDEX, BARE);
    frame.push_number(number as f64);
    frame.push_nil();
    frame.raw_set(-3);
    frame.pop(1);
    drop(HELD.with_borrow_mut(|all| all.remove(&number)));
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
    if frame.kind(1) != Kind::Table {
        let kind = frame.kind_name(1);
        return Err(Flow::raise(format!("ctx should be a table while getting a {kind}")));
    }
    let of_request = current::with(|exchange| exchange.lua.ctx);
    if frame.push_metatable(1) {
        frame.pop(1);
    } else if of_request.is_some() {
        frame.push_value(1);
        give_metatable(frame);
        frame.pop(1);
    }
    frame.push_value(1);
    match of_request {
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

/// Ends something together with the request or the timer of the running code.
pub(in crate::lua) fn hold(held: Held) {
    let running = context::current();
    if running.exchange.is_null() {
        if running.phase == Phase::Timer {
            HELD.with_borrow_mut(|all| keep(all.entry(running.number).or_default(), held));
        } else {
            // Code of no request ends with the worker.
            held.release();
        }
        return;
    }
    current::with(|exchange| keep(&mut exchange.lua.held, held));
}

/// Keeps something, once; code that connects again and again for long leaves no trail.
fn keep(all: &mut Vec<Held>, held: Held) {
    if all.iter().any(|other| std::ptr::addr_eq(other.0.as_ptr(), held.0.as_ptr())) {
        held.release();
        return;
    }
    if all.len() == all.capacity() {
        all.retain(|held| held.0.strong_count() > 0);
    }
    all.push(held);
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

/// Pushes the context, or another table, of a reference.
pub(in crate::lua) fn push_reference(frame: &Frame, reference: c_int) {
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
