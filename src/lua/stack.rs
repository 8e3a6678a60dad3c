//! Values on Lua's stack: pushing them, reading and changing tables, calling functions.
#![allow(unsafe_code)] // The stack is reached through the C API.

use super::coroutine::Coroutine;
use super::frame::{Answer, Flow, Frame, c_function};
use mlua::ffi::{self, lua_State};
use std::ffi::{c_char, c_int, c_void};

impl Frame {
    /// Pushes a string.
    pub fn push_bytes(&self, text: &[u8]) {
        // SAFETY: Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.state(), text.as_ptr().cast::<c_char>(), text.len()) }
    }

    /// Pushes a string.
    pub fn push_text(&self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Pushes a number.
    pub fn push_number(&self, number: f64) {
        // SAFETY: pushes one value.
        unsafe { ffi::lua_pushnumber(self.state(), number) }
    }

    /// Pushes a number.
    pub fn push_integer(&self, number: i64) {
        self.push_number(number as f64);
    }

    /// Pushes a boolean.
    pub fn push_boolean(&self, truth: bool) {
        // SAFETY: pushes one value.
        unsafe { ffi::lua_pushboolean(self.state(), c_int::from(truth)) }
    }

    /// Pushes `nil`.
    pub fn push_nil(&self) {
        // SAFETY: pushes one value.
        unsafe { ffi::lua_pushnil(self.state()) }
    }

    /// Pushes a light userdata.
    pub fn push_light(&self, pointer: *const c_void) {
        // SAFETY: pushes one value; Lua never follows the pointer.
        unsafe { ffi::lua_pushlightuserdata(self.state(), pointer.cast_mut()) }
    }

    /// Pushes a copy of the value at `at`.
    pub fn push_value(&self, at: c_int) {
        // SAFETY: `at` is an index of the stack.
        unsafe { ffi::lua_pushvalue(self.state(), at) }
    }

    /// Pushes a new table with room for `array` items and `fields` fields.
    pub fn push_table(&self, array: usize, fields: usize) {
        let size = |n: usize| c_int::try_from(n.min(1 << 26)).unwrap_or(0);
        // SAFETY: pushes one value.
        unsafe { ffi::lua_createtable(self.state(), size(array), size(fields)) }
    }

    /// Pushes a host function.
    pub fn push_function<F>(&self, function: F)
    where
        F: Fn(&Frame) -> Answer + Copy + 'static,
    {
        // SAFETY: pushes one value.
        unsafe { ffi::lua_pushcclosure(self.state(), c_function(function), 0) }
    }

    /// Pushes a host function with the `count` values on top as its upvalues.
    pub fn push_closure<F>(&self, function: F, count: c_int)
    where
        F: Fn(&Frame) -> Answer + Copy + 'static,
    {
        // SAFETY: pops the upvalues and pushes one value.
        unsafe { ffi::lua_pushcclosure(self.state(), c_function(function), count) }
    }

    /// Index of the running function's n-th upvalue, from 1.
    pub fn upvalue(n: c_int) -> c_int {
        ffi::lua_upvalueindex(n)
    }

    /// Takes `count` values off the top.
    pub fn pop(&self, count: c_int) {
        // SAFETY: pops what the caller pushed.
        unsafe { ffi::lua_pop(self.state(), count) }
    }

    /// Leaves only the first `count` values.
    pub fn truncate(&mut self, count: c_int) {
        // SAFETY: shrinks or pads the stack; `&mut` ends borrows of its strings.
        unsafe { ffi::lua_settop(self.state(), count) }
    }

    /// Moves the value on top below those above `at`.
    pub fn insert(&self, at: c_int) {
        // SAFETY: `at` is an index of the stack.
        unsafe { ffi::lua_insert(self.state(), at) }
    }

    /// Whether the value at `at` is a function written in Lua.
    pub fn is_lua_function(&self, at: c_int) -> bool {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_isfunction(self.state(), at) != 0 && ffi::lua_iscfunction(self.state(), at) == 0 }
    }

    /// Takes all fields out of the table at `at`.
    pub fn clear_table(&self, at: c_int) {
        let at = self.absolute(at);
        self.push_nil();
        while self.next(at) {
            self.pop(1);
            self.push_value(-1);
            self.push_nil();
            self.raw_set(at);
        }
    }

    /// Puts the value on top at `at`, which may be one above those there are, and pops it.
    pub fn replace(&self, at: c_int) {
        while self.top() <= at {
            self.push_nil();
            self.insert(-2);
        }
        // SAFETY: `at` is an index of the stack below the top.
        unsafe { ffi::lua_replace(self.state(), at) }
    }

    /// Sets `table[name]` to the value on top and pops it. No metamethods.
    ///
    /// *Invariant*: the value at `table` is a table.
    pub fn set_field(&self, table: c_int, name: &str) {
        let table = self.absolute(table);
        self.push_text(name);
        self.insert(-2);
        // SAFETY: key and value are on top, a table at `table`.
        unsafe { ffi::lua_rawset(self.state(), table) }
    }

    /// Sets `table[key] = value`, both taken off the top. No metamethods.
    pub fn raw_set(&self, table: c_int) {
        // SAFETY: key and value are on top, a table at `table`.
        unsafe { ffi::lua_rawset(self.state(), table) }
    }

    /// Sets `table[index]` to the value on top and pops it. No metamethods.
    pub fn set_index(&self, table: c_int, index: usize) {
        // SAFETY: a value is on top, a table at `table`.
        unsafe { ffi::lua_rawseti_(self.state(), table, c_int::try_from(index).unwrap_or(c_int::MAX)) }
    }

    /// Pushes `table[name]`, past metamethods.
    pub fn push_field(&self, table: c_int, name: &str) {
        let table = self.absolute(table);
        self.push_text(name);
        // SAFETY: a key is on top, a table at `table`.
        unsafe { ffi::lua_rawget_(self.state(), table) }
    }

    /// Pushes `table[index]`, past metamethods.
    pub fn push_index(&self, table: c_int, index: usize) {
        // SAFETY: a table is at `table`.
        unsafe { ffi::lua_rawgeti_(self.state(), table, c_int::try_from(index).unwrap_or(c_int::MAX)) }
    }

    /// Replaces the key on top by `table[key]`, past metamethods.
    pub fn raw_get(&self, table: c_int) {
        // SAFETY: a key is on top, a table at `table`.
        unsafe { ffi::lua_rawget_(self.state(), table) }
    }

    /// Replaces the key on top by the next key and value of the table; false at the end.
    pub fn next(&self, table: c_int) -> bool {
        // SAFETY: the key came from this table or is nil, so that Lua finds its successor.
        unsafe { ffi::lua_next(self.state(), table) != 0 }
    }

    /// Length of the string or array part at `at`, past metamethods.
    pub fn length(&self, at: c_int) -> usize {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_objlen(self.state(), at) }
    }

    /// Whether two values are the same, past metamethods.
    pub fn same(&self, one: c_int, other: c_int) -> bool {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_rawequal(self.state(), one, other) != 0 }
    }

    /// Sets a host function as a field of the table at `table`.
    pub fn set_function<F>(&self, table: c_int, name: &str, function: F)
    where
        F: Fn(&Frame) -> Answer + Copy + 'static,
    {
        let table = self.absolute(table);
        self.push_function(function);
        self.set_field(table, name);
    }

    /// Pushes the metatable of the value at `at`; false and nothing where it has none.
    pub fn push_metatable(&self, at: c_int) -> bool {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_getmetatable(self.state(), at) != 0 }
    }

    /// Makes the table on top the metatable of the value at `at`, and pops it.
    pub fn set_metatable(&self, at: c_int) {
        // SAFETY: a table or nil is on top.
        unsafe {
            ffi::lua_setmetatable(self.state(), at);
        }
    }

    /// Calls the function below `arguments` values on top, leaving `results` values.
    ///
    /// # Errors
    /// [`Flow::RaiseTop`], the error value on top, to be passed on.
    pub fn call(&self, arguments: c_int, results: c_int) -> Result<(), Flow> {
        // SAFETY: a protected call; nothing is thrown through this frame.
        let status = unsafe { ffi::lua_pcall(self.state(), arguments, results, 0) };
        if status == ffi::LUA_OK { Ok(()) } else { Err(Flow::RaiseTop) }
    }

    /// The Lua thread at `at`, if one is there.
    pub fn thread_at(&self, at: c_int) -> Option<*mut lua_State> {
        // SAFETY: any index is allowed.
        let state = unsafe { ffi::lua_tothread(self.state(), at) };
        (!state.is_null()).then_some(state)
    }

    /// Pushes a coroutine as a value.
    pub fn push_thread_of(&self, coroutine: &Coroutine) {
        // SAFETY: both belong to one VM; one value moves over.
        unsafe {
            ffi::lua_pushthread(coroutine.state());
            ffi::lua_xmove(coroutine.state(), self.state(), 1);
        }
    }

    /// Moves the `count` values on top of another stack of this VM to this one.
    pub fn take_from(&self, other: &Frame, count: c_int) {
        // SAFETY: the caller made room and the values are there.
        unsafe { ffi::lua_xmove(other.state(), self.state(), count) }
    }
}
