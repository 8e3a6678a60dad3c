//! The time as a connection's task sees it.

use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// The time at which the running task was woken; zero where none of them runs.
    static WOKEN: Cell<u64> = const { Cell::new(0) };
}

/// Microseconds since the Unix epoch: within [`timed`] when its task was woken or last ran Lua, else
/// the present.
///
/// *Kong parity*: nginx's cached clock stands still in the same way.
/// *Cost*: within [`timed`] none; a request asks some eight times, and is woken twice.
pub fn now() -> u64 {
    match WOKEN.get() {
        0 => present(),
        woken => woken,
    }
}

/// Takes note, within [`timed`], that time has passed.
pub fn refresh() {
    if WOKEN.get() != 0 {
        WOKEN.set(present());
    }
}

pin_project! {
    /// A future under a clock that is read each time it is woken. See [`timed`].
    ///
    /// *Cost*: no memory beyond the future's own, of which every idle connection has one; an `async fn`
    /// would hold it twice.
    #[derive(Debug)]
    pub struct Timed<F> {
        #[pin]
        future: F,
    }
}

/// Runs a future under a clock that is read each time it is woken.
pub fn timed<F: Future>(future: F) -> Timed<F> {
    Timed { future }
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        WOKEN.set(present());
        let _asleep = Asleep;
        self.project().future.poll(cx)
    }
}

/// Lets go of the time when a task sleeps again, also where it panics: it would stand still for what runs next.
struct Asleep;

impl Drop for Asleep {
    fn drop(&mut self) {
        WOKEN.set(0);
    }
}

/// *Cost*: one clock read through the vDSO, no system call.
fn present() -> u64 {
    clock_gettime(ClockId::CLOCK_REALTIME)
        .map_or(0, |since_epoch| since_epoch.num_microseconds().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn time_stands_still_while_a_task_runs_and_goes_on_where_it_waits() {
        timed(async {
            let start = now();
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(now(), start);
            refresh();
            let later = now();
            assert!(later >= start + 2000);
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(now() > later);
        })
        .await;
        let outside = now();
        std::thread::sleep(Duration::from_millis(1));
        assert!(now() > outside);
    }
}
