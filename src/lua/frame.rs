//! The safe view host functions have of Lua's stack.
#![allow(unsafe_code)] // The stack is reached through the C API.

use super::context;
use super::task::{self, Resume};
use mlua::ffi::{self, lua_State};
use std::any::Any;
use std::ffi::{CStr, c_int, c_void};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The arguments of one call from Lua and the place of its results.
///
/// *Invariant*: a slice returned by [`Frame::bytes`] lives as long as its stack slot keeps the
/// string, which host functions ensure by popping only what they pushed themselves.
pub struct Frame {
    state: *mut lua_State,
}

/// What a host function returns: how many values on top of the stack are its results.
pub type Answer = Result<c_int, Flow>;

/// How a host function leaves other than by returning values.
#[derive(Debug)]
pub enum Flow {
    /// Raises an error; the caller's position is put before the text.
    Raise(Vec<u8>),
    /// Raises the value on top of the stack.
    RaiseTop,
    /// Raises "bad argument #n to 'function' (text)".
    Argument(c_int, String),
    /// Raises "bad argument #n to 'function' (expected, got …)".
    Type(c_int, &'static CStr),
    /// Yields to the driver, which waits for the parked future or ends the phase.
    Yield,
}

impl Flow {
    /// An error with this text.
    pub fn raise(text: impl Into<Vec<u8>>) -> Self {
        Self::Raise(text.into())
    }
}

/// The type of a Lua value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such argument.
    None,
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Boolean,
    /// A bare pointer, as `ngx.null` is.
    Light,
    /// A number.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function.
    Function,
    /// A full userdata.
    Userdata,
    /// A coroutine.
    Thread,
    /// LuaJIT's cdata.
    Cdata,
}

/// Makes a function of the C API out of a host function.
///
/// `function` must be a named function or a closure that captures nothing.
pub fn c_function<F>(function: F) -> ffi::lua_CFunction
where
    F: Fn(&Frame) -> Answer + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "a host function captures nothing") };
    let _ = function;
    trampoline::<F>
}

unsafe extern "C-unwind" fn trampoline<F>(state: *mut lua_State) -> c_int
where
    F: Fn(&Frame) -> Answer + Copy + 'static,
{
    let frame = Frame { state };
    // SAFETY: `c_function` accepts zero-sized types only, of which any aligned pointer is a value.
    let function = unsafe { std::ptr::NonNull::<F>::dangling().as_ref() };
    let answer = catch_unwind(AssertUnwindSafe(|| function(&frame)))
        .unwrap_or_else(|panic| Err(Flow::raise(panic_text(&*panic))));
    match answer {
        // LuaJIT's assembler reads the whole register, of which an int's callee may leave the upper half
        // as it is (and optimised code does); through memory the lower half comes back alone.
        Ok(results) => std::hint::black_box(results),
        // SAFETY: no Rust frame with anything to lose lies between here and Lua.
        Err(flow) => unsafe { leave(state, flow) },
    }
}

/// Ends a host function by an error or a yield.
unsafe fn leave(state: *mut lua_State, flow: Flow) -> c_int {
    let frame = Frame { state };
    match flow {
        Flow::Raise(text) => {
            // SAFETY: the caller's position and the text are joined on the stack.
            unsafe { ffi::luaL_where(state, level_of_caller(state)) };
            frame.push_bytes(&text);
            drop(text);
            // SAFETY: two strings are on top.
            unsafe {
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
        }
        // SAFETY: the function left its error value on top.
        Flow::RaiseTop => unsafe { ffi::lua_error(state) },
        Flow::Argument(at, text) => {
            frame.push_bytes(text.as_bytes());
            drop(text);
            // SAFETY: the text lives on the stack while the message is made.
            unsafe { ffi::luaL_argerror(state, at, ffi::lua_tostring(state, -1)) }
        }
        // SAFETY: the name is static.
        Flow::Type(at, expected) => unsafe { ffi::luaL_typerror(state, at, expected.as_ptr()) },
        // SAFETY: yields the sentinel alone; Lua raises if a C frame is in the way.
        Flow::Yield => unsafe {
            ffi::lua_settop(state, 0);
            ffi::lua_pushlightuserdata(state, task::sentinel());
            ffi::lua_yield(state, 1)
        },
    }
}

/// The level of the Lua code that called a host function, past the gateway's own code in between: the text of an
/// error is to name the plugin's line.
unsafe fn level_of_caller(state: *mut lua_State) -> c_int {
    const OWN: [&[u8]; 2] = [b"@lua/host/", b"@lua/kong/globals.lua"];
    for level in 1..5 {
        // SAFETY: `lua_getinfo` fills in what `lua_getstack` found; the source is a text that lives as long as its
        // function, which is on the stack.
        let is_own = unsafe {
            let mut activation: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(state, level, &mut activation) == 0
                || ffi::lua_getinfo(state, c"S".as_ptr(), &mut activation) == 0
                || activation.source.is_null()
            {
                return 1;
            }
            let source = CStr::from_ptr(activation.source).to_bytes();
            OWN.iter().any(|own| source.starts_with(own))
        };
        if !is_own {
            return level;
        }
    }
    1
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("internal error: {text}")
}

impl Frame {
    /// Views the stack of a Lua thread.
    ///
    /// # Safety
    /// `state` must be a live thread of this OS thread's VM, with room for the pushes that follow.
    pub unsafe fn new(state: *mut lua_State) -> Self {
        Self { state }
    }

    /// The Lua thread, for code that needs the C API itself.
    pub fn state(&self) -> *mut lua_State {
        self.state
    }

    /// Number of values on the stack.
    pub fn top(&self) -> c_int {
        // SAFETY: reads the stack pointer.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Makes room for `more` values.
    ///
    /// # Errors
    /// "stack overflow" when Lua's bound is reached.
    pub fn reserve(&self, more: usize) -> Result<(), Flow> {
        let more = c_int::try_from(more).map_err(|_| Flow::raise("stack overflow"))?;
        // SAFETY: grows the stack or returns 0.
        let grown = unsafe { ffi::lua_checkstack(self.state, more) };
        if grown == 0 { Err(Flow::raise("stack overflow")) } else { Ok(()) }
    }

    /// Type of the value at `at`.
    pub fn kind(&self, at: c_int) -> Kind {
        // SAFETY: any index is allowed.
        match unsafe { ffi::lua_type(self.state, at) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::Light,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            10 => Kind::Cdata,
            _ => Kind::None,
        }
    }

    /// Name of the type at `at`, as `type()` gives it; "no value" where there is none.
    pub fn kind_name(&self, at: c_int) -> &'static str {
        match self.kind(at) {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Light | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
            Kind::Cdata => "cdata",
        }
    }

    /// Whether there is nothing at `at`, or `nil`.
    pub fn is_nil(&self, at: c_int) -> bool {
        matches!(self.kind(at), Kind::None | Kind::Nil)
    }

    /// The string at `at`; a number becomes its text.
    ///
    /// # Errors
    /// A type error that names the argument.
    pub fn bytes(&self, at: c_int) -> Result<&[u8], Flow> {
        self.text_at(at).ok_or(Flow::Type(at, c"string"))
    }

    /// The string at `at`, if there is one or a number.
    pub fn text_at(&self, at: c_int) -> Option<&[u8]> {
        let mut length = 0;
        // SAFETY: the slot keeps the string alive (see the invariant of `Frame`).
        unsafe {
            let text = ffi::lua_tolstring(self.state, at, &mut length);
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast::<u8>(), length))
        }
    }

    /// The string at `at`, or none where the argument is absent or `nil`.
    ///
    /// # Errors
    /// A type error for anything else.
    pub fn optional_bytes(&self, at: c_int) -> Result<Option<&[u8]>, Flow> {
        if self.is_nil(at) { Ok(None) } else { self.bytes(at).map(Some) }
    }

    /// The string at `at` as UTF-8, bytes that are not replaced by U+FFFD.
    ///
    /// # Errors
    /// A type error that names the argument.
    pub fn text(&self, at: c_int) -> Result<std::borrow::Cow<'_, str>, Flow> {
        self.bytes(at).map(String::from_utf8_lossy)
    }

    /// The number at `at`; a string that reads as a number counts.
    ///
    /// # Errors
    /// A type error that names the argument.
    pub fn number(&self, at: c_int) -> Result<f64, Flow> {
        // SAFETY: both calls accept any index.
        unsafe {
            if ffi::lua_isnumber(self.state, at) == 0 {
                return Err(Flow::Type(at, c"number"));
            }
            Ok(ffi::lua_tonumber(self.state, at))
        }
    }

    /// The number at `at`, or none where the argument is absent or `nil`.
    ///
    /// # Errors
    /// A type error for anything else.
    pub fn optional_number(&self, at: c_int) -> Result<Option<f64>, Flow> {
        if self.is_nil(at) { Ok(None) } else { self.number(at).map(Some) }
    }

    /// The number at `at` without its fraction; out of range saturates.
    ///
    /// # Errors
    /// A type error that names the argument.
    pub fn integer(&self, at: c_int) -> Result<i64, Flow> {
        self.number(at).map(|number| number as i64)
    }

    /// Truth of the value at `at`: everything but `nil` and `false`.
    pub fn truth(&self, at: c_int) -> bool {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_toboolean(self.state, at) != 0 }
    }

    /// Address of the light userdata, table, function or thread at `at`.
    pub fn pointer(&self, at: c_int) -> *const c_void {
        // SAFETY: any index is allowed.
        unsafe { ffi::lua_topointer(self.state, at) }
    }

    /// Requires an argument of one type.
    ///
    /// # Errors
    /// A type error that names the argument.
    pub fn expect(&self, at: c_int, kind: Kind, name: &'static CStr) -> Result<(), Flow> {
        if self.kind(at) == kind { Ok(()) } else { Err(Flow::Type(at, name)) }
    }

    /// Answers `nil` and a text, the usual form of failure.
    pub fn fail(&self, text: impl AsRef<[u8]>) -> Answer {
        self.push_nil();
        self.push_bytes(text.as_ref());
        Ok(2)
    }

    /// Parks the running coroutine until `future` is ready and answers what it pushes.
    ///
    /// # Errors
    /// "API disabled …" in phases that may not wait, [`Flow::Yield`] otherwise: return it.
    ///
    /// *Cancel safety*: the future is dropped when the request ends first.
    pub fn wait(&self, future: impl Future<Output = Resume> + 'static) -> Answer {
        context::require_waiting()?;
        task::park(Box::pin(future));
        Err(Flow::Yield)
    }

    /// A stack index that stays right when values are pushed.
    pub fn absolute(&self, at: c_int) -> c_int {
        if at > 0 || at <= ffi::LUA_REGISTRYINDEX { at } else { self.top() + at + 1 }
    }
}
