//! Runs Lua code in coroutines and waits, as a future, whenever the code waits.
//!
//! A host function that waits parks a future and yields a sentinel. The driver here takes the
//! future, polls it, and resumes the coroutine with its answer. The light threads of one call
//! (`ngx.thread`) are driven by the same future, so that dropping it (the client went away) drops
//! all they wait for, and the coroutines with it.
#![allow(unsafe_code)] // Coroutines are resumed through the C API.

use super::context::{self, Context};
use super::coroutine::Coroutine;
use super::error::LuaError;
use super::frame::{Answer, Flow, Frame};
use super::interrupt;
use super::thread::Threads;
use mlua::ffi::{self, lua_State};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::Poll;

/// Pushes what a wait answers and says how many values that are; or ends the code.
pub type Resume = Box<dyn FnOnce(&Frame) -> Answer>;

/// Something a coroutine waits for.
pub type Parked = Pin<Box<dyn Future<Output = Resume>>>;

/// How a call into Lua ended, when no error ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned.
    Done,
    /// The code ended the phase (`ngx.exit`, `kong.response.exit`).
    Exit,
}

/// How far one resume came.
pub(super) enum Step {
    /// The function returned; its results are on the coroutine's stack.
    Done,
    /// The coroutine waits.
    Wait(Parked),
    /// The code ended the phase.
    Exit,
}

thread_local! {
    static PARKED: RefCell<Option<Parked>> = const { RefCell::new(None) };
    static EXIT: Cell<bool> = const { Cell::new(false) };
    static THREADS: RefCell<Option<Rc<Threads>>> = const { RefCell::new(None) };
}

static SENTINEL: u8 = 0;

unsafe extern "C-unwind" {
    fn luaL_traceback(to: *mut lua_State, of: *mut lua_State, text: *const c_char, level: c_int);
}

/// The value that says, yielded, "this is for the driver".
pub(super) fn sentinel() -> *mut c_void {
    ptr::from_ref(&SENTINEL).cast_mut().cast()
}

/// Leaves a future for the driver; the caller yields next.
pub(super) fn park(future: Parked) {
    PARKED.set(Some(future));
}

/// Ends the phase: not an error, so that `pcall` cannot catch it.
pub fn exit() -> Flow {
    EXIT.set(true);
    Flow::Yield
}

/// The light threads of the running call, made at the first use.
pub(super) fn threads() -> Rc<Threads> {
    THREADS.with_borrow_mut(|threads| Rc::clone(threads.get_or_insert_default()))
}

/// Drives a coroutine whose function and `arguments` are on its stack, until it and its light
/// threads ended, and returns it with the results.
pub(super) async fn drive(
    entry: Coroutine,
    arguments: c_int,
    context: Context,
) -> Result<(Outcome, Coroutine), LuaError> {
    let mut task = Task { entry, waiting: None, threads: None, context };
    match task.step(arguments)? {
        Step::Exit => return Ok((Outcome::Exit, task.entry)),
        Step::Done if task.threads.is_none() => return Ok((Outcome::Done, task.entry)),
        Step::Done => {}
        Step::Wait(parked) => task.waiting = Some(parked),
    }
    let outcome = std::future::poll_fn(|waker| task.poll(waker)).await?;
    Ok((outcome, task.entry))
}

struct Task {
    entry: Coroutine,
    waiting: Option<Parked>,
    threads: Option<Rc<Threads>>,
    context: Context,
}

impl Task {
    fn poll(&mut self, waker: &mut std::task::Context<'_>) -> Poll<Result<Outcome, LuaError>> {
        loop {
            let mut advanced = false;
            if let Some(parked) = &mut self.waiting
                && let Poll::Ready(resume) = parked.as_mut().poll(waker)
            {
                self.waiting = None;
                advanced = true;
                let step = match answer(resume, &self.entry)? {
                    Some(values) => self.step(values)?,
                    None => Step::Exit,
                };
                match step {
                    Step::Done => {}
                    Step::Wait(parked) => self.waiting = Some(parked),
                    Step::Exit => return Poll::Ready(Ok(Outcome::Exit)),
                }
            }
            if let Some(threads) = self.threads.clone() {
                match self.poll_threads(&threads, waker) {
                    Some(moved) => advanced |= moved,
                    None => return Poll::Ready(Ok(Outcome::Exit)),
                }
            }
            let running = self.threads.as_ref().is_some_and(|threads| threads.any_running());
            if self.waiting.is_none() && !running {
                return Poll::Ready(Ok(Outcome::Done));
            }
            if !advanced {
                return Poll::Pending;
            }
        }
    }

    /// Whether a light thread came on; none if one of them ended the phase.
    fn poll_threads(&self, threads: &Rc<Threads>, waker: &mut std::task::Context<'_>) -> Option<bool> {
        let before = THREADS.replace(Some(Rc::clone(threads)));
        let advanced = threads.poll(self.context, waker);
        THREADS.set(before);
        advanced
    }

    fn step(&mut self, arguments: c_int) -> Result<Step, LuaError> {
        let before = THREADS.replace(self.threads.take());
        let step = step(&self.entry, arguments, self.context);
        self.threads = THREADS.replace(before);
        step
    }
}

/// Pushes what a wait answers; none if that ends the phase.
pub(super) fn answer(resume: Resume, coroutine: &Coroutine) -> Result<Option<c_int>, LuaError> {
    match resume(&coroutine.frame()) {
        Ok(values) => Ok(Some(values)),
        Err(Flow::Yield) => Ok(None),
        Err(Flow::Raise(text)) => Err(LuaError::Runtime {
            message: String::from_utf8_lossy(&text).into_owned(),
            traceback: String::new(),
        }),
        Err(_) => Err(LuaError::Setup("a wait answered what only a call can".into())),
    }
}

/// Resumes a coroutine once.
pub(super) fn step(coroutine: &Coroutine, arguments: c_int, context: Context) -> Result<Step, LuaError> {
    let before = context::replace(context);
    // A future whose yield failed must not be taken for that of a later one.
    PARKED.set(None);
    EXIT.set(false);
    let state = coroutine.state();
    // SAFETY: the function, or a suspended one, and its arguments are on the stack.
    let (status, stopped) = interrupt::watched(|| unsafe { ffi::lua_resume_(state, arguments) });
    context::replace(before);
    match status {
        ffi::LUA_OK => Ok(Step::Done),
        ffi::LUA_YIELD => Ok(yielded(coroutine)),
        _ => Err(error_of(coroutine, stopped)),
    }
}

fn yielded(coroutine: &Coroutine) -> Step {
    coroutine.frame().truncate(0);
    if EXIT.replace(false) {
        return Step::Exit;
    }
    // A plain `coroutine.yield()` outside user coroutines gives way to other tasks.
    Step::Wait(PARKED.take().unwrap_or_else(|| {
        Box::pin(async {
            tokio::task::yield_now().await;
            Box::new(|_: &Frame| Ok(0)) as Resume
        })
    }))
}

/// Text and stack of the error that ended a coroutine, be it the watchdog's.
fn error_of(coroutine: &Coroutine, stopped: bool) -> LuaError {
    let main = coroutine.main();
    // SAFETY: the main thread lives as long as the VM; a dead coroutine keeps its frames; the text is
    // copied before it is popped.
    let (frame, traceback) = unsafe {
        ffi::lua_checkstack(main, ffi::LUA_MINSTACK);
        luaL_traceback(main, coroutine.state(), ptr::null(), 0);
        let text = CStr::from_ptr(ffi::lua_tostring(main, -1)).to_string_lossy().into_owned();
        ffi::lua_pop(main, 1);
        (Frame::new(main), text)
    };
    // A dead coroutine can call nothing, `__tostring` neither: the main thread gets a copy.
    coroutine.frame().push_value(-1);
    frame.take_from(&coroutine.frame(), 1);
    let message = error_text(&frame);
    frame.pop(1);
    let traceback = with_line(&message, traceback);
    if stopped { LuaError::Stopped { message, traceback } } else { LuaError::Runtime { message, traceback } }
}

/// The stack of a dead coroutine does not know the line it died at; the message does.
fn with_line(message: &str, mut traceback: String) -> String {
    let Some((place, _)) = message.split_once(": ") else { return traceback };
    let Some((file, line)) = place.rsplit_once(':') else { return traceback };
    let at = traceback.find('\t').map_or(0, |tab| tab + 1);
    let is_it = traceback
        .get(at..)
        .is_some_and(|rest| rest.strip_prefix(file).is_some_and(|rest| rest.starts_with(": in function")));
    if is_it && line.bytes().all(|byte| byte.is_ascii_digit()) {
        traceback.insert_str(at + file.len(), &format!(":{line}"));
    }
    traceback
}

/// The error value on top as text; OpenResty says "unknown reason" where it is none.
pub(super) fn error_text(frame: &Frame) -> String {
    if let Some(text) = frame.text_at(-1) {
        return String::from_utf8_lossy(text).into_owned();
    }
    if !frame.push_metatable(-1) {
        return "unknown reason".into();
    }
    frame.push_field(-1, "__tostring");
    frame.push_value(-3);
    let text = match frame.call(1, 1) {
        Ok(()) => frame.text_at(-1).map(|text| String::from_utf8_lossy(text).into_owned()),
        Err(_) => None,
    };
    frame.pop(2);
    text.unwrap_or_else(|| "unknown reason".into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{block_on, check, run, run_in, vm};
    use super::super::{Context, LuaError, Outcome, Phase, vm::Settings};
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_innermost_frame_of_a_stack_has_the_line_of_the_message() {
        let stack = "stack traceback:\n\ta.lua: in function 'deep'\n\ta.lua:9: in main chunk";
        let shown = with_line("a.lua:7: bad: worse", stack.to_owned());
        assert_eq!(shown, stack.replace("a.lua: in", "a.lua:7: in"));
        assert_eq!(with_line("b.lua:7: bad", stack.to_owned()), stack);
        assert_eq!(with_line("bad", stack.to_owned()), stack);
    }

    #[test]
    fn waiting_works_through_every_kind_of_call_lua_can_suspend() {
        check(
            r#"
            local sleep = ngx.sleep
            sleep(0.001)
            assert(pcall(sleep, 0.001))
            local ok, err = pcall(function() sleep(0.001) error("after") end)
            assert(not ok and err:find("after", 1, true))
            local ok, err = xpcall(function() sleep(0.001) error("x", 0) end, function(e) return e .. "!" end)
            assert(not ok and err == "x!")
            local function items() return function(_, i) sleep(0) if i < 3 then return i + 1 end end, nil, 0 end
            local sum = 0
            for i in items() do sum = sum + i end
            assert(sum == 6)
            local t = setmetatable({}, { __index = function(_, k) sleep(0) return k .. k end })
            assert(t.a == "aa")
            "#,
        );
    }

    #[test]
    fn a_wait_inside_user_coroutines_is_not_seen_by_their_resumer() {
        check(
            r#"
            local seen = {}
            local gen = coroutine.wrap(function(a)
              ngx.sleep(0.001)
              local b = coroutine.yield(a + 1)
              ngx.sleep(0.001)
              local inner = coroutine.create(function() ngx.sleep(0.001) coroutine.yield("in") ngx.sleep(0) return "end" end)
              local _, x = coroutine.resume(inner)
              local _, y = coroutine.resume(inner)
              assert(coroutine.status(inner) == "dead")
              return b .. x .. y
            end)
            assert(gen(1) == 2)
            assert(gen("b") == "binend")
            local bad = coroutine.wrap(function() ngx.sleep(0) error({ code = 7 }) end)
            local ok, err = pcall(bad)
            assert(not ok and err.code == 7)
            "#,
        );
    }

    #[test]
    fn a_wait_where_lua_cannot_suspend_is_an_error_and_leaves_nothing_behind() {
        check(
            r#"
            local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b) ngx.sleep(5) return a < b end)
            assert(not ok and err:find("attempt to yield across C-call boundary", 1, true), err)
            local started = ngx.now()
            ngx.sleep(0.001)
            assert(ngx.now() - started < 1)
            "#,
        );
    }

    #[test]
    fn a_plain_yield_at_the_top_gives_way_and_comes_back() {
        check("coroutine.yield(1, 2) coroutine.yield()");
    }

    #[test]
    fn an_uncaught_error_has_text_and_stack() {
        let error = run("local function f() error('boom') end\nf()").unwrap_err();
        let LuaError::Runtime { message, traceback } = error else { panic!("{error:?}") };
        assert_eq!(message, "snippet:1: boom");
        assert!(
            traceback.contains("stack traceback:") && traceback.contains("snippet:1: in function 'f'"),
            "{traceback}"
        );
        let LuaError::Runtime { message, .. } = run("error({})").unwrap_err() else { panic!() };
        assert_eq!(message, "unknown reason");
        let LuaError::Runtime { message, .. } =
            run("error(setmetatable({}, {__tostring = function() return 'said' end}))").unwrap_err()
        else {
            panic!()
        };
        assert_eq!(message, "said");
    }

    #[test]
    fn ending_the_phase_cannot_be_caught() {
        let vm = vm();
        let ends = |frame: &Frame| {
            let _ = frame;
            Err(exit())
        };
        vm.frame().push_function(ends);
        vm.frame().set_field(ffi::LUA_GLOBALSINDEX, "ends");
        let outcome =
            block_on(run_in(&vm, "pcall(coroutine.wrap(function() pcall(ends) end)) error('not reached')"));
        assert_eq!(outcome.unwrap(), Outcome::Exit);
        assert_eq!(block_on(run_in(&vm, "return 1")).unwrap(), Outcome::Done);
        let outcome =
            block_on(run_in(&vm, "ngx.thread.spawn(function() ngx.sleep(0) ends() end) ngx.sleep(60)"));
        assert_eq!(outcome.unwrap(), Outcome::Exit);
    }

    #[test]
    fn a_panic_in_a_host_function_is_a_lua_error() {
        let vm = vm();
        vm.frame().push_function(|_: &Frame| panic!("by design"));
        vm.frame().set_field(ffi::LUA_GLOBALSINDEX, "panics");
        let checked = block_on(run_in(
            &vm,
            "local ok, err = pcall(panics) assert(not ok and err:find('internal error: by design', 1, true), err)",
        ));
        checked.unwrap();
    }

    #[test]
    fn dropping_the_call_ends_the_code_where_it_waits() {
        let vm = vm();
        block_on(async {
            let source = "ngx.thread.spawn(function() ngx.sleep(4) woke = 1 end) ngx.sleep(4) woke = 2";
            let cut = tokio::time::timeout(Duration::from_millis(5), run_in(&vm, source)).await;
            assert!(cut.is_err());
            // Beyond the ends of both sleeps, had anything kept them.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(5)).await;
            tokio::time::resume();
            run_in(&vm, "collectgarbage() assert(woke == nil)").await.unwrap();
        });
    }

    #[test]
    fn code_that_may_not_wait_is_told_so() {
        let vm = vm();
        let function = vm.load("=snippet", b"return pcall(ngx.sleep, 1)").unwrap();
        let (_, message) = vm
            .evaluate_now(
                &function,
                Context::bare(Phase::HeaderFilter),
                |_| 0,
                |frame| String::from_utf8_lossy(frame.text_at(-1).unwrap_or_default()).into_owned(),
            )
            .unwrap();
        assert_eq!(message, "API disabled in the context of header_filter_by_lua*");
    }

    #[test]
    fn endless_compiled_loops_are_stopped_even_inside_pcall() {
        let limit = Some(Duration::from_millis(50));
        let vm = Vm::new(Settings { time_limit: limit, ..Settings::default() }).unwrap();
        for source in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "coroutine.wrap(function() local i = 0 while true do i = i + 1 end end)()",
        ] {
            let LuaError::Stopped { message, .. } = block_on(run_in(&vm, source)).unwrap_err() else {
                panic!("{source}")
            };
            assert!(message.contains("was stopped"), "{message}");
        }
        block_on(run_in(&vm, "for _ = 1, 3 do ngx.sleep(0.03) end for i = 1, 1e6 do end")).unwrap();
    }

    #[test]
    fn coroutines_are_used_again_only_after_they_returned() {
        let vm = vm();
        block_on(async {
            for _ in 0..1000 {
                run_in(&vm, "ngx.sleep(0) return 1, 2, 3").await.unwrap();
                run_in(&vm, "ngx.sleep(0) error('x')").await.unwrap_err();
            }
            run_in(&vm, "assert(select('#', ...) == 0)").await.unwrap();
        });
    }

    use super::super::Vm;
}
