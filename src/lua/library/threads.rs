//! `kong.threads`: Lua functions in operating system threads, each with a VM of its own.
//!
//! Plugins have no use for it. Tests do: a server of theirs answers while the test waits in calls that
//! block. What goes in and comes out is text; `lua/llthreads2/ex.lua` makes values of it.

use crate::lua::context::Context;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use crate::lua::vm::{Settings, Vm};
use crate::lua::{LuaError, Phase};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use tokio::sync::oneshot;

/// What a thread ends with: what its function returned, or the error that ended it.
type Ended = Result<Vec<u8>, String>;

struct Thread {
    /// Taken by the first `join`.
    ended: RefCell<Option<oneshot::Receiver<Ended>>>,
}

impl Object for Thread {
    const NAME: &'static CStr = c"thread";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "join", join);
        frame.set_function(table, "alive", |frame| {
            let thread = object::at::<Thread>(frame, 1)?;
            let runs = thread.ended.borrow().as_ref().is_some_and(oneshot::Receiver::is_empty);
            frame.push_boolean(runs);
            Ok(1)
        });
    }
}

/// Loader of `kong.threads`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 1);
    let table = frame.top();
    frame.set_function(table, "start", start);
    Ok(1)
}

/// `start(chunk, input)`: a thread that calls the chunk with the input, both texts.
fn start(frame: &Frame) -> Answer {
    let (chunk, input) = (frame.bytes(1)?.to_vec(), frame.bytes(2)?.to_vec());
    let settings = Vm::current()?.settings().clone();
    let (told, ended) = oneshot::channel();
    let work = move || {
        // Nobody listens any more when the test is over.
        let _ = told.send(live(settings, &chunk, &input));
    };
    std::thread::Builder::new()
        .name("lua thread".into())
        .spawn(work)
        .map_err(|error| Flow::raise(format!("could not start a thread: {error}")))?;
    object::push_wrapped(frame, Thread { ended: RefCell::new(Some(ended)) });
    Ok(1)
}

/// `join()`: what the function returned, once it has; nil and the error where one ended it.
fn join(frame: &Frame) -> Answer {
    let Some(ended) = object::at::<Thread>(frame, 1)?.ended.take() else {
        return frame.fail("already joined");
    };
    frame.wait(async move {
        let ended = ended.await.unwrap_or_else(|_| Err("the thread panicked".into()));
        Box::new(move |frame: &Frame| match ended {
            Ok(output) => {
                frame.push_bytes(&output);
                Ok(1)
            }
            Err(error) => frame.fail(error),
        }) as Resume
    })
}

/// The life of a thread.
fn live(settings: Settings, chunk: &[u8], input: &[u8]) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let vm = Vm::new(settings).map_err(|error| error.to_string())?;
        run(&vm, chunk, input).await.map_err(|error| error.to_string())
    })
}

async fn run(vm: &Vm, chunk: &[u8], input: &[u8]) -> Result<Vec<u8>, LuaError> {
    let function = vm.load("=thread", chunk)?;
    let push = |frame: &Frame| {
        frame.push_bytes(input);
        1
    };
    let read = |frame: &Frame| frame.text_at(-1).unwrap_or_default().to_vec();
    let (_, output) = vm.evaluate(&function, Context::bare(Phase::Timer), push, read).await?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn a_thread_gets_copies_and_answers_copies() {
        check(
            r#"
            local threads = require "llthreads2.ex"
            local thread = threads.new({ function(number, list)
              ngx.sleep(0.01)
              return number + 1, { list[1], nested = { true } }, nil, "last"
            end }, 1, { "a" })
            assert(thread:start() and thread:alive())
            local ok, number, list, nothing, last = thread:join()
            assert(ok and number == 2 and list[1] == "a" and list.nested[1] == true)
            assert(nothing == nil and last == "last")
            assert(not thread:alive())
            assert(select(2, thread:join()) == "already joined")
            "#,
        );
    }

    #[test]
    fn what_a_thread_throws_is_told_by_join() {
        check(
            r#"
            local ok, err = require("llthreads2.ex").new(function() error("broken") end):start():join()
            assert(ok == false and err:find("broken", 1, true), err)
            "#,
        );
    }
}
