//! Tables that Lua keeps for a request: `ngx.ctx` and the variables plugins set.
//!
//! The contexts of requests stand in one table of the VM, each at the place its exchange has taken; compiled
//! Lua makes and finds them there by itself (`lua/host/running.lua`). So do the values that each plugin keeps for a
//! request, at the same place in a table for each plugin. The exchange gives its place back when it ends. Code that runs for no request (timers) has a table of its own for each call, found by the
//! coroutine tree's number.
#![allow(unsafe_code)] // Registry references are made and freed through the C API.

use crate::exchange::{Exchange, Held, LuaSlots, Phase, Running, current};
use crate::lua::context;
use crate::lua::error::LuaError;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::vm::Vm;
use mlua::ffi;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_int;
use std::mem::offset_of;

/// Registry field of the tables of calls without a request.
const BARE: &str = "kong.bare_contexts";

/// Registry field of what `lua/host/running.lua` starts from.
const RUNNING: &str = "kong.running";

/// Field of the table of contexts: the metatable that contexts of requests get.
const METATABLE: &str = "metatable";

/// Room for the fields that the gateway and usual plugins keep.
const FIELDS: usize = 4;

/// Requests that a worker usually serves at a time.
const REQUESTS: usize = 64;

/// Where a request without a context stands.
const NONE: bool = false;

thread_local! {
    /// Registry references of the table of contexts and of that with a table for each plugin's values; made first in
    /// each VM, so that they are the same in all.
    static CONTEXTS: Cell<c_int> = const { Cell::new(0) };
    static KEPT: Cell<c_int> = const { Cell::new(0) };
    static PLACES: RefCell<Places> = const { RefCell::new(Places { free: Vec::new(), taken: 0 }) };
    /// What ends with calls that run for no request, by their numbers.
    static HELD: RefCell<HashMap<u64, Vec<Held>>> = RefCell::new(HashMap::new());
}

/// Places in the table of contexts.
struct Places {
    /// Given back; the last one is taken first, as its memory is the warmest.
    free: Vec<c_int>,
    /// How many there have ever been.
    taken: c_int,
}

pub(super) fn install(frame: &Frame, ngx: c_int, jit: bool) {
    frame.push_table(REQUESTS, 1);
    let contexts = frame.top();
    for place in 1..=PLACES.with_borrow(|places| places.taken) {
        frame.push_boolean(NONE);
        frame.set_index(contexts, place.unsigned_abs() as usize);
    }
    frame.push_table(0, 8);
    push_running(frame, contexts, jit);
    frame.set_field(ffi::LUA_REGISTRYINDEX, RUNNING);
    KEPT.set(refer(frame));
    CONTEXTS.set(refer(frame));
    frame.push_table(0, 8);
    frame.set_field(ffi::LUA_REGISTRYINDEX, BARE);
    frame.set_function(ngx, "_set_ctx", set);
    frame.set_function(ngx, "_vars", vars);
}

/// Pushes what `lua/host/running.lua` starts from: the table at `contexts`, that of what plugins keep above it.
fn push_running(frame: &Frame, contexts: c_int, jit: bool) {
    frame.push_table(0, 16);
    let running = frame.top();
    frame.push_value(contexts);
    frame.set_field(running, "contexts");
    frame.push_value(contexts + 1);
    frame.set_field(running, "kept");
    if jit {
        frame.push_light(current::place().cast());
        frame.set_field(running, "current");
        frame.push_number((offset_of!(Exchange, lua) + offset_of!(LuaSlots, running)) as f64);
        frame.set_field(running, "at");
    }
    frame.set_function(running, "ctx", get);
    frame.set_function(running, "existing_ctx", |frame| {
        match current::with(|exchange| exchange.lua.running) {
            Some(running) if running.has_ctx != 0 => push_at(frame, running.place),
            _ => frame.push_boolean(NONE),
        }
        Ok(1)
    });
    frame.set_function(running, "has_request", |frame| {
        frame.push_boolean(!current::pointer().is_null());
        Ok(1)
    });
    frame.set_function(running, "plugin", |frame| {
        let plugin = current::with(|exchange| exchange.lua.running.plugin);
        frame.push_integer(plugin.unwrap_or(0).into());
        Ok(1)
    });
    frame.set_function(running, "enter", |frame| {
        let plugin = frame.integer(1)? as i32;
        context::with_exchange(|exchange| exchange.lua.running.plugin = plugin)?;
        Ok(0)
    });
    frame.set_function(running, "plan", |frame| {
        let plan = current::with(|exchange| exchange.lua.running.plan);
        frame.push_number(plan.unwrap_or(0.0));
        Ok(1)
    });
}

/// Pushes `ngx.ctx` of the running code, made at its first use.
///
/// # Errors
/// Never without a request; kept fallible for callers that pass it on.
pub fn push_ctx(frame: &Frame) -> Result<(), Flow> {
    let Some(place) = current::with(|exchange| take_place(frame, exchange)) else {
        push_bare(frame);
        return Ok(());
    };
    push_at(frame, place);
    if frame.kind(-1) != Kind::Table {
        frame.pop(1);
        frame.push_table(0, FIELDS);
        give_metatable(frame);
        frame.push_value(-1);
        put(frame, place);
    }
    Ok(())
}

/// Gives the contexts of this VM's requests a metatable.
///
/// # Errors
/// When the stack has no room.
pub(in crate::lua) fn use_metatable(vm: &Vm, table: mlua::Table) -> Result<(), LuaError> {
    let (frame, metatable) = (vm.frame(), vm.reference(table)?);
    push_reference(&frame, CONTEXTS.get());
    metatable.push(&frame);
    frame.set_field(-2, METATABLE);
    frame.pop(1);
    Ok(())
}

/// Takes a place for the `ngx.ctx` of an exchange, and for what its plugins keep.
///
/// *Cost*: a comparison, but for an exchange's first phase.
pub(in crate::lua) fn prepare(exchange: &mut Exchange, vm: &Vm) {
    if exchange.lua.running.place == 0 {
        take_place(&vm.frame(), exchange);
    }
}

/// The place of an exchange, taken at the first call.
fn take_place(frame: &Frame, exchange: &mut Exchange) -> c_int {
    let running = &mut exchange.lua.running;
    if running.place == 0 {
        let given_back = PLACES.with_borrow_mut(|places| places.free.pop());
        running.place = given_back.unwrap_or_else(|| new_place(frame));
    }
    running.place
}

/// Adds a place. It holds something at all times, so that the table stays an array.
fn new_place(frame: &Frame) -> c_int {
    let place = PLACES.with_borrow_mut(|places| {
        places.taken += 1;
        places.taken
    });
    clear(frame, place);
    push_reference(frame, KEPT.get());
    frame.push_nil();
    while frame.next(-2) {
        set_none(frame, place);
    }
    frame.pop(1);
    place
}

fn clear(frame: &Frame, place: c_int) {
    push_reference(frame, CONTEXTS.get());
    set_none(frame, place);
}

/// Forgets what plugins keep for a request.
fn clear_kept(frame: &Frame, running: &Running) {
    if running.kept == 0 {
        return;
    }
    push_reference(frame, KEPT.get());
    for plugin in running.keepers.iter().take(running.kept.unsigned_abs() as usize) {
        frame.push_index(-1, usize::from(*plugin));
        set_none(frame, running.place);
    }
    frame.pop(1);
}

/// Has nothing stand at a place of the table on top, and pops it.
fn set_none(frame: &Frame, place: c_int) {
    frame.push_boolean(NONE);
    frame.set_index(-2, place.unsigned_abs() as usize);
    frame.pop(1);
}

/// Pushes what stands at a place.
fn push_at(frame: &Frame, place: c_int) {
    push_reference(frame, CONTEXTS.get());
    frame.push_index(-1, place.unsigned_abs() as usize);
    frame.insert(-2);
    frame.pop(1);
}

/// Makes the table on top the context of the running exchange, and pops it.
fn put(frame: &Frame, place: c_int) {
    push_reference(frame, CONTEXTS.get());
    frame.insert(-2);
    frame.set_index(-2, place.unsigned_abs() as usize);
    frame.pop(1);
    current::with(|exchange| exchange.lua.running.has_ctx = 1);
}

/// Gives the table on top the metatable of contexts.
fn give_metatable(frame: &Frame) {
    push_reference(frame, CONTEXTS.get());
    frame.push_field(-1, METATABLE);
    frame.insert(-2);
    frame.pop(1);
    if frame.kind(-1) == Kind::Table {
        frame.set_metatable(-2);
    } else {
        frame.pop(1);
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
    let of_request = current::with(|exchange| take_place(frame, exchange));
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
            frame.insert(-2);
            frame.push_number(context::current().number as f64);
            frame.insert(-2);
            frame.raw_set(-3);
        }
        Some(place) => {
            current::with(|exchange| {
                clear_kept(frame, &exchange.lua.running);
                exchange.lua.running.kept = 0;
            });
            put(frame, place);
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

/// Pushes the table of a reference.
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
        let (place, has_ctx) = (self.running.place, self.running.has_ctx != 0);
        if place == 0 && self.vars == 0 {
            return;
        }
        // Without a VM the thread ends, and its tables have gone.
        Vm::with_current(|vm| {
            let frame = vm.frame();
            if has_ctx {
                clear(&frame, place);
            }
            clear_kept(&frame, &self.running);
            if self.vars != 0 {
                // SAFETY: the reference was made by `refer` in this thread's VM.
                unsafe { ffi::luaL_unref(frame.state(), ffi::LUA_REGISTRYINDEX, self.vars) };
            }
        });
        if place != 0 {
            // The thread may be ending.
            let _ = PLACES.try_with(|places| places.borrow_mut().free.push(place));
        }
    }
}
