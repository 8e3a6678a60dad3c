//! Light threads: `ngx.thread.spawn`, `wait` and `kill`.

use super::context::{self, Context};
use super::coroutine::Coroutine;
use super::error::LuaError;
use super::frame::{Answer, Flow, Frame};
use super::origin::{self, Origin};
use super::task::{self, Parked, Resume, Step};
use super::vm::Vm;
use crate::exchange::current;
use crate::observability::Level;
use mlua::ffi::lua_State;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use std::task::Poll;

/// The light threads of one call into Lua.
#[derive(Default)]
pub(super) struct Threads {
    list: RefCell<Vec<Rc<LightThread>>>,
}

struct LightThread {
    coroutine: Coroutine,
    parked: RefCell<Option<Parked>>,
    state: Cell<State>,
    origin: Option<Origin>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Ended; true if it returned. Nobody has taken its results yet.
    Ended(bool),
    /// Its results were taken, or it was killed.
    Gone,
}

impl Threads {
    pub(super) fn any_running(&self) -> bool {
        self.list.borrow().iter().any(|thread| thread.state.get() == State::Running)
    }

    /// Polls what each thread waits for, resuming those that are ready.
    ///
    /// True if one came on; none if one ended the phase.
    pub(super) fn poll(&self, context: Context, waker: &mut std::task::Context<'_>) -> Option<bool> {
        let mut advanced = false;
        let mut at = 0;
        // Threads may be added while the list is walked.
        loop {
            let Some(thread) = self.list.borrow().get(at).cloned() else { return Some(advanced) };
            at += 1;
            let Some(mut parked) = thread.parked.take() else { continue };
            match parked.as_mut().poll(waker) {
                Poll::Pending => {
                    if thread.state.get() == State::Running {
                        thread.parked.replace(Some(parked));
                    }
                }
                Poll::Ready(resume) => {
                    advanced = true;
                    match task::answer(resume, &thread.coroutine) {
                        Ok(Some(values)) if !thread.advance(values, context) => {}
                        Ok(_) => return None,
                        Err(error) => thread.fail(&error),
                    }
                }
            }
        }
    }

    fn find(&self, state: *mut lua_State) -> Option<Rc<LightThread>> {
        self.list.borrow().iter().find(|thread| thread.coroutine.state() == state).cloned()
    }

    fn forget(&self, gone: &Rc<LightThread>) {
        gone.state.set(State::Gone);
        gone.parked.take();
        self.list.borrow_mut().retain(|thread| !Rc::ptr_eq(thread, gone));
    }
}

impl LightThread {
    /// Resumes the thread; true if it ended the phase.
    fn advance(&self, values: c_int, context: Context) -> bool {
        match task::step(&self.coroutine, values, context) {
            Ok(Step::Done) => self.state.set(State::Ended(true)),
            Ok(Step::Wait(parked)) => {
                self.parked.replace(Some(parked));
            }
            Ok(Step::Exit) => {
                self.state.set(State::Gone);
                return true;
            }
            Err(error) => self.fail(&error),
        }
        false
    }

    fn fail(&self, error: &LuaError) {
        let origin = self.origin.as_deref().unwrap_or_default();
        let message = format!("{origin}lua user thread aborted: runtime error: {}", error.report());
        current::log(Level::Error, message.as_bytes());
        self.state.set(State::Ended(false));
    }

    /// Moves the results to a waiting coroutine: success first, then values or the error.
    fn deliver(&self, to: &Frame, returned: bool) -> Answer {
        to.push_boolean(returned);
        let count = if returned { self.coroutine.frame().top() } else { 1 };
        to.reserve(count.unsigned_abs() as usize + 1)?;
        to.take_from(&self.coroutine.frame(), count);
        Ok(count + 1)
    }
}

/// Adds `spawn`, `wait` and `kill` to the table at `table`.
pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "spawn", spawn);
    frame.set_function(table, "wait", wait);
    frame.set_function(table, "kill", kill);
    frame.set_function(table, "_status", status);
}

/// Starts a light thread, which runs at once until it first waits.
fn spawn(frame: &Frame) -> Answer {
    if !frame.is_lua_function(1) {
        return Err(Flow::Argument(1, "Lua function expected".into()));
    }
    context::require_waiting()?;
    let arguments = frame.top() - 1;
    let (coroutine, origin) = (Vm::current()?.coroutine(), origin::of_running(frame));
    coroutine.frame().reserve(arguments.unsigned_abs() as usize + 1)?;
    coroutine.frame().take_from(frame, arguments + 1);
    let thread = Rc::new(LightThread {
        coroutine,
        parked: RefCell::new(None),
        state: Cell::new(State::Running),
        origin,
    });
    let threads = task::threads();
    threads.list.borrow_mut().push(Rc::clone(&thread));
    if thread.advance(arguments, context::current()) {
        return Err(task::exit());
    }
    frame.push_thread_of(&thread.coroutine);
    Ok(1)
}

/// Waits for the first of some light threads to end.
fn wait(frame: &Frame) -> Answer {
    let threads = task::threads();
    let mut waited = Vec::new();
    for at in 1..=frame.top() {
        let state = frame.thread_at(at).ok_or(Flow::Argument(at, "lua thread expected".into()))?;
        match threads.find(state) {
            Some(thread) => waited.push(thread),
            None => return frame.fail("already waited or killed"),
        }
    }
    if waited.is_empty() {
        return Err(Flow::raise("at least one coroutine should be specified"));
    }
    frame.wait(std::future::poll_fn(move |_| {
        // No waker: the driver asks again after each step of any thread.
        let ended = waited.iter().find_map(|thread| match thread.state.get() {
            State::Ended(returned) => Some((Rc::clone(thread), returned)),
            State::Running | State::Gone => None,
        });
        let Some((thread, returned)) = ended else { return Poll::Pending };
        threads.forget(&thread);
        Poll::Ready(Box::new(move |frame: &Frame| thread.deliver(frame, returned)) as Resume)
    }))
}

/// Ends a light thread where it waits.
fn kill(frame: &Frame) -> Answer {
    let state = frame.thread_at(1).ok_or(Flow::Argument(1, "lua thread expected".into()))?;
    let threads = task::threads();
    match threads.find(state) {
        None => frame.fail("already waited or killed"),
        Some(thread) if thread.state.get() != State::Running => frame.fail("already terminated"),
        Some(thread) => {
            threads.forget(&thread);
            frame.push_integer(1);
            Ok(1)
        }
    }
}

/// State of a light thread for `coroutine.status`; nothing for other coroutines.
fn status(frame: &Frame) -> Answer {
    let found = frame.thread_at(1).and_then(|state| task::threads().find(state));
    match found.map(|thread| thread.state.get()) {
        Some(State::Running) => frame.push_text("running"),
        Some(State::Ended(_)) => frame.push_text("zombie"),
        Some(State::Gone) => frame.push_text("dead"),
        None => frame.push_nil(),
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn threads_run_at_once_until_they_wait_and_the_first_to_end_is_waited_for() {
        check(
            r#"
            local order = {}
            local function note(x) order[#order + 1] = x end
            local one = ngx.thread.spawn(function(a) note("1a") ngx.sleep(0.02) note("1b") return a, nil, 3 end, "arg")
            local two = ngx.thread.spawn(function() note("2a") ngx.sleep(0.005) note("2b") return "two" end)
            note("main")
            assert(type(one) == "thread" and coroutine.status(one) == "running")
            local ok, first = ngx.thread.wait(one, two)
            assert(ok and first == "two")
            local ok, a, b, c = ngx.thread.wait(one)
            assert(ok and a == "arg" and b == nil and c == 3)
            assert(table.concat(order, " ") == "1a 2a main 2b 1b", table.concat(order, " "))
            local none, err = ngx.thread.wait(one)
            assert(none == nil and err == "already waited or killed")
            "#,
        );
    }

    #[test]
    fn an_error_in_a_thread_is_what_wait_answers() {
        check(
            r#"
            local bad = ngx.thread.spawn(function() ngx.sleep(0) error("oops", 0) end)
            local ok, err = ngx.thread.wait(bad)
            assert(ok == false and err == "oops")
            local done = ngx.thread.spawn(function() return 1 end)
            assert(coroutine.status(done) == "zombie")
            local ok, err = ngx.thread.kill(done)
            assert(ok == nil and err == "already terminated")
            "#,
        );
    }

    #[test]
    fn a_killed_thread_does_not_come_back_and_others_end_before_the_call_does() {
        check(
            r#"
            local t = ngx.thread.spawn(function() ngx.sleep(0.01) error("alive") end)
            assert(ngx.thread.kill(t) == 1)
            ngx.thread.spawn(function()
              local inner = ngx.thread.spawn(function() ngx.sleep(0.005) return 5 end)
              local ok, v = ngx.thread.wait(inner)
              assert(ok and v == 5)
            end)
            "#,
        );
    }
}
