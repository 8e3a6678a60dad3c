//! Coarse deadlines: every timeout of the request path, without a timer per request.
//!
//! Each waiting party owns a [`Deadline`]: a slot in its worker's table. Arming one is a store; one
//! task per worker ([`watch`]) sleeps until the nearest armed deadline, then wakes whoever is late.
//! Since deadlines are nearly always pushed back before they pass, that task runs rarely.
//!
//! Time is the kernel's coarse monotonic clock: a few nanoseconds to read, a few milliseconds fine.

use nix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Deadlines are looked at no more often than this.
const GRAIN: u64 = 5;
/// How far the coarse clock may be behind: a deadline is set so much later, so that none passes early.
const BEHIND: u64 = 4;
/// How long the watch sleeps when nothing is armed.
const FAR: u64 = 3_600_000;
const OFF: u64 = u64::MAX;

thread_local! {
    static TABLE: Table = const { Table::new() };
}

struct Table {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    nearest: Cell<u64>,
    watch: RefCell<Option<Waker>>,
}

struct Slot {
    at: u64,
    /// Whether it bounds an idle time, which may be cut short.
    idle: bool,
    waker: Option<Waker>,
}

/// A deadline of this worker, off until it is set.
///
/// *Invariant*: it is used on the thread that made it.
#[derive(Debug)]
pub struct Deadline {
    slot: u32,
    not_send: std::marker::PhantomData<*const ()>,
}

impl Deadline {
    /// A deadline that is off.
    pub fn new() -> Deadline {
        Deadline { slot: TABLE.with(Table::take), not_send: std::marker::PhantomData }
    }

    /// Sets it `millis` from now.
    ///
    /// *Cost*: a clock read and a store.
    pub fn set(&self, millis: u64) {
        TABLE.with(|table| table.arm(self.slot, now().saturating_add(millis).saturating_add(BEHIND), false));
    }

    /// Sets it `millis` from now, for an idle time that [`cut_idle_short`] may cut short.
    pub fn set_idle(&self, millis: u64) {
        TABLE.with(|table| table.arm(self.slot, now().saturating_add(millis), true));
    }

    /// Turns it off.
    pub fn clear(&self) {
        TABLE.with(|table| table.arm(self.slot, OFF, false));
    }

    /// Whether it has passed; when not, the task is woken once it has.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        TABLE.with(|table| table.poll(self.slot, cx))
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Deadline::new()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // The table may be gone already when the thread ends.
        let _ = TABLE.try_with(|table| table.give(self.slot));
    }
}

impl Table {
    const fn new() -> Table {
        Table {
            slots: RefCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            nearest: Cell::new(OFF),
            watch: RefCell::new(None),
        }
    }

    fn take(&self) -> u32 {
        if let Some(slot) = self.free.borrow_mut().pop() {
            return slot;
        }
        let mut slots = self.slots.borrow_mut();
        slots.push(Slot { at: OFF, idle: false, waker: None });
        slots.len() as u32 - 1
    }

    fn give(&self, slot: u32) {
        let waker = self.slots.borrow_mut().get_mut(slot as usize).and_then(|s| {
            s.at = OFF;
            s.waker.take()
        });
        drop(waker);
        self.free.borrow_mut().push(slot);
    }

    fn arm(&self, slot: u32, at: u64, idle: bool) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot as usize) {
            slot.at = at;
            slot.idle = idle;
        }
        self.expect(at);
    }

    /// Makes the watch look no later than `at`.
    fn expect(&self, at: u64) {
        if at < self.nearest.get() {
            self.nearest.set(at);
            if let Some(watch) = self.watch.borrow().as_ref() {
                watch.wake_by_ref();
            }
        }
    }

    fn poll(&self, slot: u32, cx: &mut Context<'_>) -> Poll<()> {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(slot as usize) else { return Poll::Pending };
        if slot.at == OFF {
            return Poll::Pending;
        }
        if slot.at <= now() {
            return Poll::Ready(());
        }
        if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            slot.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn cut_idle_short(&self, at: u64) {
        for slot in self.slots.borrow_mut().iter_mut().filter(|slot| slot.idle) {
            slot.at = slot.at.min(at);
        }
        self.expect(at);
    }

    /// Wakes whoever is late and finds the nearest deadline that is left.
    fn sweep(&self) {
        let now = now();
        let mut nearest = OFF;
        let mut late = Vec::new();
        for slot in self.slots.borrow().iter().filter(|slot| slot.at != OFF) {
            match &slot.waker {
                Some(waker) if slot.at <= now => late.push(waker.clone()),
                _ if slot.at > now => nearest = nearest.min(slot.at),
                _ => {}
            }
        }
        self.nearest.set(nearest);
        late.into_iter().for_each(Waker::wake);
    }
}

/// Lets every idle time of this thread end no later than `millis` from now.
pub fn cut_idle_short(millis: u64) {
    TABLE.with(|table| table.cut_idle_short(now().saturating_add(millis)));
}

/// Wakes the tasks of this thread whose deadlines pass; runs as long as the worker does.
pub async fn watch() {
    loop {
        let nearest = TABLE.with(|table| table.nearest.get());
        let rest = nearest.saturating_sub(now()).clamp(GRAIN, FAR);
        let mut sleep = pin!(tokio::time::sleep(Duration::from_millis(rest)));
        poll_fn(|cx| {
            TABLE.with(|table| {
                let mut watch = table.watch.borrow_mut();
                if !watch.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *watch = Some(cx.waker().clone());
                }
                if table.nearest.get() < nearest { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
            })
        })
        .await;
        TABLE.with(|table| {
            if table.nearest.get() <= now() {
                table.sweep();
            }
        });
    }
}

/// Waits for `work`, at most `millis`; `None` when it took longer.
pub async fn within<T>(millis: u64, work: impl Future<Output = T>) -> Option<T> {
    let deadline = Deadline::new();
    deadline.set(millis);
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => deadline.poll(cx).map(|()| None),
    })
    .await
}

/// Milliseconds of the coarse monotonic clock.
pub fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)
        .map_or(0, |time| time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn watched<T>(work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            value = work => value,
            () = watch() => unreachable!(),
        }
    }

    #[tokio::test]
    async fn a_deadline_passes_soon_after_it_was_set_for_and_never_before() {
        for _ in 0..5 {
            let started = std::time::Instant::now();
            watched(async {
                assert!(within(30, std::future::pending::<()>()).await.is_none());
            })
            .await;
            let took = started.elapsed().as_millis();
            assert!((30..400).contains(&took), "{took}");
        }
    }

    #[tokio::test]
    async fn a_nearer_deadline_shortens_the_sleep_of_the_watch() {
        watched(async {
            let far = Deadline::new();
            far.set(60_000);
            tokio::task::yield_now().await;
            assert!(within(20, std::future::pending::<()>()).await.is_none());
            assert_eq!(within(1000, std::future::ready(7)).await, Some(7));
        })
        .await;
    }

    #[tokio::test]
    async fn a_deadline_pushed_back_does_not_pass() {
        watched(async {
            let deadline = Deadline::new();
            deadline.set(800);
            let pushed = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                deadline.set(60_000);
            };
            let ((), late) = tokio::join!(pushed, within(1_200, poll_fn(|cx| deadline.poll(cx))));
            assert!(late.is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn idle_times_can_be_cut_short_and_others_not() {
        watched(async {
            let (idle, busy) = (Deadline::new(), Deadline::new());
            idle.set_idle(60_000);
            busy.set(60_000);
            let cut = async { cut_idle_short(10) };
            let ((), ended) = tokio::join!(cut, within(1000, poll_fn(|cx| idle.poll(cx))));
            assert!(ended.is_some());
            assert!(within(20, poll_fn(|cx| busy.poll(cx))).await.is_none());
        })
        .await;
    }

    #[test]
    fn slots_are_used_again() {
        let slot = Deadline::new().slot;
        assert_eq!(Deadline::new().slot, slot);
    }
}
