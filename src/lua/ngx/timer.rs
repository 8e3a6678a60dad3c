//! `ngx.timer`: functions that run later, outside any request.

use crate::exchange::Phase;
use crate::lua::context::Context;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::limits::limits;
use crate::lua::origin::{self, Named, Origin};
use crate::lua::vm::{Reference, Vm};
use crate::observability::log;
use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

thread_local! {
    static PENDING: Cell<usize> = const { Cell::new(0) };
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// One more in a count, until dropped.
struct Counted(&'static std::thread::LocalKey<Cell<usize>>);

impl Counted {
    fn new(count: &'static std::thread::LocalKey<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

pub(super) fn install(frame: &Frame, ngx: c_int) {
    super::noun(frame, ngx, "timer", |frame, timer| {
        frame.set_function(timer, "at", |frame| start(frame, false));
        frame.set_function(timer, "every", |frame| start(frame, true));
        frame.set_function(timer, "pending_count", |frame| {
            frame.push_integer(PENDING.get() as i64);
            Ok(1)
        });
        frame.set_function(timer, "running_count", |frame| {
            frame.push_integer(RUNNING.get() as i64);
            Ok(1)
        });
    });
}

/// The first argument of a timer, in seconds.
///
/// *Kong parity*: the words, and what is quoted in them, are those of its timers.
fn delay(frame: &Frame, repeats: bool) -> Result<f64, Flow> {
    if frame.kind(2) != Kind::Function {
        return Err(Flow::raise("expected `callback` to be a function"));
    }
    if frame.kind(1) != Kind::Number {
        let what = if repeats { "interval" } else { "delay" };
        return Err(Flow::raise(format!("expected `{what} to be a number")));
    }
    frame.number(1)
}

fn start(frame: &Frame, repeats: bool) -> Answer {
    let (delay, what) = (delay(frame, repeats)?, if repeats { "interval" } else { "delay" });
    let delay = Duration::try_from_secs_f64(delay)
        .ok()
        .filter(|delay| !repeats || !delay.is_zero())
        .ok_or_else(|| Flow::raise(format!("expected `{what}` to be greater than or equal to 0")))?;
    let at_once = delay.is_zero() && !repeats;
    if super::worker::exiting() && !at_once {
        return frame.fail("process exiting");
    }
    if PENDING.get() >= limits().pending_timers {
        return frame.fail("too many pending timers");
    }
    let callback = Callback::take(frame)?;
    let pending = Counted::new(&PENDING);
    let spawned = catch_unwind(AssertUnwindSafe(|| {
        tokio::task::spawn_local(run(callback, delay, repeats, pending));
    }));
    if spawned.is_err() {
        return frame.fail("no event loop: timers start when the worker does");
    }
    frame.push_integer(1);
    Ok(1)
}

async fn run(callback: Callback, delay: Duration, repeats: bool, pending: Counted) {
    let mut pending = Some(pending);
    loop {
        let premature = tokio::select! {
            () = tokio::time::sleep(delay) => false,
            () = super::worker::exit_begun() => true,
        };
        if !repeats {
            pending = None;
        }
        let most = limits().running_timers;
        if RUNNING.get() >= most {
            log::alert!("{most} lua_max_running_timers are not enough");
        } else {
            let _running = Counted::new(&RUNNING);
            callback.call(premature).await;
        }
        if pending.is_none() || premature {
            return;
        }
    }
}

/// A function and the arguments it is called with after `premature`.
struct Callback {
    vm: Vm,
    function: Reference,
    arguments: Vec<Reference>,
    origin: Option<Origin>,
}

impl Callback {
    fn take(frame: &Frame) -> Result<Self, Flow> {
        let vm = Vm::current()?;
        let keep = |at| {
            frame.push_value(at);
            vm.reference_to_top(frame)
        };
        let function = keep(2);
        let arguments = (3..=frame.top()).map(keep).collect();
        Ok(Self { vm, function, arguments, origin: origin::of_running(frame) })
    }

    async fn call(&self, premature: bool) {
        let context = Context::bare(Phase::Timer);
        let _named = Named::new(context.number, self.origin.as_ref());
        let outcome = self
            .vm
            .call(&self.function, context, |frame| {
                frame.push_boolean(premature);
                if frame.reserve(self.arguments.len()).is_err() {
                    return 1;
                }
                self.arguments.iter().for_each(|argument| argument.push(frame));
                c_int::try_from(self.arguments.len()).unwrap_or(0) + 1
            })
            .await;
        super::ctx::forget_bare(&self.vm.frame(), context.number);
        if let Err(error) = outcome {
            let origin = self.origin.as_deref().unwrap_or_default();
            log::error!("{origin}lua entry thread aborted: runtime error: {}", error.report());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn a_timer_runs_its_function_once_with_its_arguments() {
        check(
            r#"
            local got
            assert(ngx.timer.at(0.002, function(premature, ...)
              assert(ngx.get_phase() == "timer")
              ngx.sleep(0.001)
              got = { premature, ... }
            end, 1, nil, "c") == 1)
            assert(ngx.timer.pending_count() == 1)
            ngx.sleep(0.03)
            assert(got[1] == false and got[2] == 1 and got[3] == nil and got[4] == "c")
            assert(ngx.timer.pending_count() == 0 and ngx.timer.running_count() == 0)
            "#,
        );
    }

    #[test]
    fn a_repeating_timer_survives_errors_of_its_function() {
        check(
            r#"
            local runs = 0
            ngx.timer.every(0.002, function() runs = runs + 1 error("again") end)
            ngx.sleep(0.05)
            assert(runs >= 3, runs)
            assert(not pcall(ngx.timer.every, 0, print))
            "#,
        );
    }
}
