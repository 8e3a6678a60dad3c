//! Set-up of a worker's VM, and the ways into it.
#![allow(unsafe_code)] // The VM is made with all libraries, and functions are kept by registry keys.

use super::context::Context;
use super::coroutine::Coroutine;
use super::error::LuaError;
use super::frame::{Flow, Frame};
use super::limits::{self, Limits};
use super::task::{self, Outcome, Step};
use super::{interrupt, library, loader, ngx, sources};
use crate::exchange::Phase;
use crate::observability::capture;
use crate::shm::Dicts;
use mlua::ffi::{self, lua_State};
use std::cell::RefCell;
use std::ffi::c_int;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a VM is set up with.
#[derive(Clone)]
pub struct Settings {
    /// `lua_package_path`.
    pub package_path: String,
    /// `lua_package_cpath`.
    pub package_cpath: String,
    /// Whether the JIT compiler is on. Off, hot host functions go through the C API, which is then
    /// faster than LuaJIT's FFI.
    pub jit: bool,
    /// How long code may run without waiting.
    pub time_limit: Option<Duration>,
    /// The prefix folder, as `ngx.config.prefix()` gives it.
    pub prefix: PathBuf,
    /// Number of this worker, from 0.
    pub worker_id: usize,
    /// Number of workers.
    pub worker_count: usize,
    /// Whether this is a worker's VM; that of the Admin API counts as the first worker's but is none.
    pub is_worker: bool,
    /// `http` or `stream`.
    pub subsystem: &'static str,
    /// The dictionaries of `ngx.shared`.
    pub dicts: Option<Arc<Dicts>>,
    /// Certificates that outgoing TLS trusts (`lua_ssl_trusted_certificate`); none for the system's.
    pub trusted: Option<Arc<rustls::RootCertStore>>,
    /// How many certificates may stand between a server's and an authority's: `lua_ssl_verify_depth`.
    pub verify_depth: usize,
    /// Bytes of a request body kept in memory: `nginx_http_client_body_buffer_size`.
    pub body_memory: usize,
    /// How much code may use.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            package_path: "./?.lua;./?/init.lua".into(),
            package_cpath: String::new(),
            jit: true,
            time_limit: None,
            prefix: PathBuf::from("/usr/local/kong"),
            worker_id: 0,
            worker_count: 1,
            is_worker: true,
            subsystem: "http",
            dicts: None,
            trusted: None,
            verify_depth: 1,
            body_memory: 8 * 1024,
            limits: Limits::default(),
        }
    }
}

/// Limits of the JIT compiler. LuaJIT's own suit a script; a gateway runs many plugins, and a phase of
/// them is one trace: hundreds of calls, of which every tail call counts as a round of a loop.
const JIT_LIMITS: &str = "jit.opt.start('maxtrace=8000', 'maxrecord=16000', 'maxirconst=4000', \
     'maxsnap=4000', 'minstitch=3', 'loopunroll=60', 'maxmcode=40960')";

/// A worker's VM. Clones are the same VM.
#[derive(Clone)]
pub struct Vm {
    lua: mlua::Lua,
    main: *mut lua_State,
    settings: Rc<Settings>,
}

/// A Lua value, usually a function, kept from the collector.
#[derive(Debug)]
pub struct Reference {
    /// Keeps the VM alive until the value is let go of.
    _lua: mlua::Lua,
    main: *mut lua_State,
    key: c_int,
}

/// What can be called: it pushes a function, and arguments before those of the call.
pub trait Callee {
    /// Pushes the function and its first arguments; returns how many arguments.
    fn push(&self, frame: &Frame) -> c_int;
}

thread_local! {
    static CURRENT: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

impl Vm {
    /// Makes the VM of this thread.
    ///
    /// # Errors
    /// When an embedded module fails: a defect of the build.
    pub fn new(settings: Settings) -> Result<Self, LuaError> {
        // SAFETY: plugins get `ffi`, `debug` and C modules, as they do in Kong; that is their right.
        let lua = unsafe { mlua::Lua::unsafe_new() };
        let mut main = std::ptr::null_mut();
        // SAFETY: reads the address of the main thread.
        unsafe { lua.exec_raw::<()>((), |state| main = state)? };
        let vm = Self { lua, main, settings: Rc::new(settings) };
        CURRENT.set(Some(vm.clone()));
        limits::set(vm.settings.limits);
        capture::separate_thread();
        loader::install(&vm.lua, &vm.settings.package_path, &vm.settings.package_cpath)?;
        vm.lua.load(if vm.settings.jit { JIT_LIMITS } else { "jit.off() jit.flush()" }).exec()?;
        vm.run_prelude()?;
        if let Some(limit) = vm.settings.time_limit {
            interrupt::start(main, limit);
        }
        Ok(vm)
    }

    /// The VM of this thread.
    ///
    /// # Errors
    /// When the thread has none.
    pub fn current() -> Result<Self, Flow> {
        let current = CURRENT.try_with(|vm| vm.borrow().clone()).ok().flatten();
        current.ok_or_else(|| Flow::raise("this thread has no Lua VM"))
    }

    /// Lets `act` use the VM of this thread, if it has one still: exchanges let go of their tables also while the
    /// thread ends.
    pub(super) fn with_current(act: impl FnOnce(&Self)) {
        let _ = CURRENT.try_with(|vm| {
            if let Ok(vm) = vm.try_borrow()
                && let Some(vm) = &*vm
            {
                act(vm);
            }
        });
    }

    /// The VM as mlua sees it, for set-up. Its asynchronous functions must not be used.
    pub fn lua(&self) -> &mlua::Lua {
        &self.lua
    }

    /// What the VM was set up with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Compiles a source text. `chunk` is its name in messages, `@` before a file's path.
    ///
    /// # Errors
    /// [`LuaError::Syntax`].
    pub fn load(&self, chunk: &str, source: &[u8]) -> Result<Reference, LuaError> {
        let frame = self.frame();
        let compiled = loader::compile(&frame, chunk, source);
        if compiled.is_err() {
            let message = task::error_text(&frame);
            frame.pop(1);
            return Err(LuaError::Syntax(message));
        }
        Ok(self.reference_to_top(&frame))
    }

    /// Keeps a value that mlua holds, so that it can be called on the hot path.
    ///
    /// # Errors
    /// When the stack has no room.
    pub fn reference(&self, value: impl mlua::IntoLua) -> Result<Reference, LuaError> {
        let mut key = 0;
        // SAFETY: the value is on top of the stack the closure is given.
        unsafe {
            self.lua.exec_raw::<()>(value, |state| {
                key = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
            })?;
        }
        Ok(Reference { _lua: self.lua.clone(), main: self.main, key })
    }

    /// Calls a function and waits whenever it waits. `push` pushes the arguments and counts them.
    ///
    /// # Errors
    /// The error that ended the code.
    ///
    /// *Cancel safety*: dropping the future ends the code where it waits.
    pub async fn call(
        &self,
        function: &impl Callee,
        context: Context,
        push: impl FnOnce(&Frame) -> c_int,
    ) -> Result<Outcome, LuaError> {
        self.evaluate(function, context, push, |_| ()).await.map(|(outcome, ())| outcome)
    }

    /// As [`Vm::call`], and reads the results from the stack.
    ///
    /// # Errors
    /// The error that ended the code.
    pub async fn evaluate<R>(
        &self,
        function: &impl Callee,
        context: Context,
        push: impl FnOnce(&Frame) -> c_int,
        read: impl FnOnce(&Frame) -> R,
    ) -> Result<(Outcome, R), LuaError> {
        let coroutine = self.coroutine();
        let arguments = prepare(&coroutine, function, push);
        let (outcome, coroutine) = task::drive(coroutine, arguments, context).await?;
        let result = read(&coroutine.frame());
        if outcome == Outcome::Done {
            coroutine.recycle();
        }
        Ok((outcome, result))
    }

    /// Calls a function that may not wait.
    ///
    /// # Errors
    /// The error that ended the code; waiting is one.
    pub fn call_now(
        &self,
        function: &impl Callee,
        context: Context,
        push: impl FnOnce(&Frame) -> c_int,
    ) -> Result<Outcome, LuaError> {
        self.evaluate_now(function, context, push, |_| ()).map(|(outcome, ())| outcome)
    }

    /// As [`Vm::call_now`], and reads the results from the stack.
    ///
    /// # Errors
    /// The error that ended the code; waiting is one.
    pub fn evaluate_now<R>(
        &self,
        function: &impl Callee,
        context: Context,
        push: impl FnOnce(&Frame) -> c_int,
        read: impl FnOnce(&Frame) -> R,
    ) -> Result<(Outcome, R), LuaError> {
        let coroutine = self.coroutine();
        let arguments = prepare(&coroutine, function, push);
        match task::step(&coroutine, arguments, context)? {
            Step::Exit => Ok((Outcome::Exit, read(&coroutine.frame()))),
            Step::Wait(_) => Err(LuaError::Runtime {
                message: "attempt to yield across C-call boundary".into(),
                traceback: String::new(),
            }),
            Step::Done => {
                let result = read(&coroutine.frame());
                coroutine.recycle();
                Ok((Outcome::Done, result))
            }
        }
    }

    /// Runs a file as a program, with `arg` and `...` set, as `kong lua` does.
    ///
    /// # Errors
    /// [`LuaError::Setup`] where the file cannot be read, else the error of the code.
    pub async fn run_file(&self, path: &str, arguments: &[String]) -> Result<Outcome, LuaError> {
        let source =
            std::fs::read(path).map_err(|error| LuaError::Setup(format!("cannot open {path}: {error}")))?;
        let arg = self.lua.create_sequence_from(arguments.iter().map(String::as_str))?;
        arg.set(0, path)?;
        self.lua.globals().set("arg", arg)?;
        let function = self.load(&format!("@{path}"), without_shebang(&source))?;
        self.call(&function, Context::bare(Phase::Timer), |frame| {
            arguments.iter().for_each(|argument| frame.push_text(argument));
            c_int::try_from(arguments.len()).unwrap_or(0)
        })
        .await
    }

    /// A coroutine to run a function in.
    pub(super) fn coroutine(&self) -> Coroutine {
        Coroutine::take(&self.lua, self.main)
    }

    /// The stack of the main thread, used between calls only.
    pub(super) fn frame(&self) -> Frame {
        // SAFETY: the main thread lives as long as the VM; room is made for a handful of values.
        unsafe {
            ffi::lua_checkstack(self.main, ffi::LUA_MINSTACK);
            Frame::new(self.main)
        }
    }

    /// Takes the value on top of a stack into the registry.
    pub(super) fn reference_to_top(&self, frame: &Frame) -> Reference {
        // SAFETY: pops the value on top.
        let key = unsafe { ffi::luaL_ref(frame.state(), ffi::LUA_REGISTRYINDEX) };
        Reference { _lua: self.lua.clone(), main: self.main, key }
    }

    fn run_prelude(&self) -> Result<(), LuaError> {
        let frame = self.frame();
        library::table::install(&frame);
        ngx::push(&frame, &self.settings);
        let host = self.reference_to_top(&frame);
        for file in ["host/prelude.lua", "host/ngx.lua"] {
            let source = sources::file(file).unwrap_or_default();
            let chunk = self.load(&format!("@lua/{file}"), source)?;
            self.call_now(&chunk, Context::bare(Phase::Init), |frame| {
                host.push(frame);
                frame.push_boolean(self.settings.jit);
                frame.push_light(task::sentinel());
                3
            })?;
        }
        Ok(())
    }
}

impl Reference {
    /// Pushes the value.
    pub fn push(&self, frame: &Frame) {
        // SAFETY: the registry holds the value under this key.
        unsafe { ffi::lua_rawgeti_(frame.state(), ffi::LUA_REGISTRYINDEX, self.key) };
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: `_lua` keeps the VM alive until after this.
        unsafe { ffi::luaL_unref(self.main, ffi::LUA_REGISTRYINDEX, self.key) };
    }
}

impl Callee for Reference {
    fn push(&self, frame: &Frame) -> c_int {
        Reference::push(self, frame);
        0
    }
}

fn prepare(coroutine: &Coroutine, function: &impl Callee, push: impl FnOnce(&Frame) -> c_int) -> c_int {
    let frame = coroutine.frame();
    function.push(&frame) + push(&frame)
}

fn without_shebang(source: &[u8]) -> &[u8] {
    if !source.starts_with(b"#") {
        return source;
    }
    let end = memchr::memchr(b'\n', source).unwrap_or(source.len());
    source.get(end..).unwrap_or_default()
}
