//! Coroutines that are used again.
//!
//! A LuaJIT thread whose function returned takes another function. Making one costs as much as
//! ten thousand instructions, taking one from the pool about eighty.
#![allow(unsafe_code)] // Threads are made and kept alive through the C API.

use super::frame::Frame;
use mlua::ffi::{self, lua_State};
use std::cell::RefCell;
use std::ffi::c_int;

/// Idle coroutines kept by a worker.
const POOL: usize = 256;

/// A Lua thread, kept from the collector until dropped.
///
/// *Cost*: moving it moves a pointer; it changes hands several times in each phase.
#[derive(Debug)]
pub struct Coroutine {
    thread: Box<Thread>,
}

#[derive(Debug)]
struct Thread {
    lua: mlua::Lua,
    main: *mut lua_State,
    state: *mut lua_State,
    key: c_int,
}

thread_local! {
    static IDLE: RefCell<Vec<Coroutine>> = const { RefCell::new(Vec::new()) };
}

impl Coroutine {
    /// An idle coroutine of this VM, or a new one.
    pub(super) fn take(lua: &mlua::Lua, main: *mut lua_State) -> Self {
        let idle = IDLE.with_borrow_mut(|pool| match pool.last() {
            // The last one was used last, and a thread rarely has another VM.
            Some(last) if last.thread.main == main => pool.pop(),
            _ => {
                let at = pool.iter().rposition(|coroutine| coroutine.thread.main == main)?;
                Some(pool.swap_remove(at))
            }
        });
        idle.unwrap_or_else(|| Self::new(lua, main))
    }

    fn new(lua: &mlua::Lua, main: *mut lua_State) -> Self {
        // SAFETY: the VM is alive; the registry keeps the thread.
        let (state, key) = unsafe {
            ffi::lua_checkstack(main, 4);
            let state = ffi::lua_newthread(main);
            (state, ffi::luaL_ref(main, ffi::LUA_REGISTRYINDEX))
        };
        Self { thread: Box::new(Thread { lua: lua.clone(), main, state, key }) }
    }

    /// Puts a coroutine whose function returned back into the pool.
    pub(super) fn recycle(self) {
        // SAFETY: the function returned, so that only its results lie on the stack.
        unsafe { ffi::lua_settop(self.state(), 0) };
        IDLE.with_borrow_mut(|pool| {
            if pool.len() < POOL {
                pool.push(self);
            }
        });
    }

    /// The stack of the coroutine.
    pub fn frame(&self) -> Frame {
        // SAFETY: the registry keeps the thread alive as long as `self`.
        unsafe { Frame::new(self.state()) }
    }

    /// The Lua thread.
    pub fn state(&self) -> *mut lua_State {
        self.thread.state
    }

    /// The main thread of the VM.
    pub fn main(&self) -> *mut lua_State {
        self.thread.main
    }

    /// The VM.
    pub fn lua(&self) -> &mlua::Lua {
        &self.thread.lua
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: `lua` keeps the VM alive until after this.
        unsafe { ffi::luaL_unref(self.main, ffi::LUA_REGISTRYINDEX, self.key) };
    }
}

/// Lets go of all idle coroutines of this OS thread.
pub fn drain() {
    IDLE.with_borrow_mut(Vec::clear);
}
