//! `ngx.semaphore`: light threads of any request wait for resources that others post.

use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::Semaphore as Permits;

struct Semaphore {
    permits: Arc<Permits>,
    waiting: Rc<Cell<i64>>,
}

/// One more that waits, until dropped.
struct Waiting(Rc<Cell<i64>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Object for Semaphore {
    const NAME: &'static CStr = c"semaphore";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "wait", wait);
        frame.set_function(table, "post", |frame| {
            let count = frame.optional_number(2)?.unwrap_or(1.0);
            if count < 1.0 {
                return Err(Flow::raise("bad number"));
            }
            object::at::<Semaphore>(frame, 1)?.permits.add_permits(count as usize);
            frame.push_boolean(true);
            Ok(1)
        });
        frame.set_function(table, "count", |frame| {
            let semaphore = object::at::<Semaphore>(frame, 1)?;
            let free = semaphore.permits.available_permits() as i64;
            frame.push_integer(free - semaphore.waiting.get());
            Ok(1)
        });
    }
}

/// Loader of `ngx.semaphore`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 2);
    let table = frame.top();
    frame.set_function(table, "new", |frame| {
        let count = frame.optional_number(1)?.unwrap_or(0.0);
        if count < 0.0 || count > Permits::MAX_PERMITS as f64 {
            return Err(Flow::raise("no negative number"));
        }
        let permits = Arc::new(Permits::new(count as usize));
        object::push_wrapped(frame, Semaphore { permits, waiting: Rc::default() });
        Ok(1)
    });
    frame.push_text("0.1.28");
    frame.set_field(table, "version");
    Ok(1)
}

/// `wait(seconds)`. Those who wait are served in the order they came.
fn wait(frame: &Frame) -> Answer {
    let semaphore = object::at::<Semaphore>(frame, 1)?;
    let seconds = frame.number(2).map_err(|_| Flow::raise("attempt to perform arithmetic on a nil value"))?;
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| Flow::raise("no negative number"))?;
    let phase = context::phase();
    if !phase.may_wait() {
        return frame.fail(format!("API disabled in the context of {}", phase.directive()));
    }
    if let Ok(permit) = semaphore.permits.try_acquire() {
        permit.forget();
        frame.push_boolean(true);
        return Ok(1);
    }
    if limit.is_zero() {
        return frame.fail("timeout");
    }
    // Polled once now, so that it is in the queue before other code runs.
    let mut acquired = Box::pin(Arc::clone(&semaphore.permits).acquire_owned());
    let _ = acquired.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let waiting = Waiting(Rc::clone(&semaphore.waiting));
    waiting.0.set(waiting.0.get() + 1);
    frame.wait(async move {
        let got = tokio::time::timeout(limit, acquired).await;
        drop(waiting);
        Box::new(move |frame: &Frame| match got {
            Ok(Ok(permit)) => {
                permit.forget();
                frame.push_boolean(true);
                Ok(1)
            }
            _ => {
                frame.push_boolean(false);
                frame.push_text("timeout");
                Ok(2)
            }
        }) as Resume
    })
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn a_post_wakes_who_waits() {
        check(
            r#"
            local semaphore = require "ngx.semaphore"
            local s = semaphore.new(1)
            assert(s:wait(0) == true and s:count() == 0)
            local ok, err = s:wait(0.005) assert(ok == false and err == "timeout")
            ok, err = s:wait(0) assert(ok == nil and err == "timeout")
            local woken = 0
            local function sleeper() if s:wait(1) then woken = woken + 1 end end
            local a, b = ngx.thread.spawn(sleeper), ngx.thread.spawn(sleeper)
            assert(s:count() == -2)
            s:post(3)
            ngx.thread.wait(a) ngx.thread.wait(b)
            assert(woken == 2 and s:count() == 1)
            assert(s:wait(0))
            local c = ngx.thread.spawn(sleeper)
            s:post(1)
            assert(select(2, s:wait(0)) == "timeout", "who came first is served first")
            ngx.thread.wait(c)
            assert(woken == 3)
            "#,
        );
    }
}
