//! Output of Lua code that leaves while its phase goes on: `ngx.flush`, `ngx.eof`, and much of `ngx.print`.
//!
//! Code says what it wants with [`want`]; whoever runs its phase takes that up with [`wanted`], right after the
//! code has begun to wait, and passes the output on, or forgets it when the code has ended: what it wrote leaves
//! with the end of the response then.
#![allow(unsafe_code)] // the exchange is the one Lua code acts on

use super::{Exchange, current};
use std::cell::RefCell;
use tokio::sync::oneshot;

/// What came of passing output on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The client's system has it.
    Sent,
    /// A filter failed.
    Failed,
    /// The client is gone.
    Gone,
}

/// Output that is to be passed on, and who waits for that.
pub struct Wanted {
    exchange: *mut Exchange,
    waiting: Vec<oneshot::Sender<Passed>>,
}

thread_local! {
    static WANTED: RefCell<Option<Wanted>> = const { RefCell::new(None) };
}

/// Asks for what the running code has written to be passed on, once it waits; `waiting` is told when that is done.
pub fn want(waiting: Option<oneshot::Sender<Passed>>) {
    WANTED.with_borrow_mut(|wanted| {
        let new = || Wanted { exchange: current::pointer(), waiting: Vec::new() };
        wanted.get_or_insert_with(new).waiting.extend(waiting);
    });
}

/// What the code that was just run for an exchange wants, and which now waits.
pub fn wanted(exchange: *const Exchange) -> Option<Wanted> {
    WANTED.take().filter(|wanted| std::ptr::addr_eq(wanted.exchange, exchange))
}

/// Forgets what code wanted that has ended.
pub fn forget() {
    WANTED.take();
}

impl Wanted {
    /// Lets `act` work on the exchange whose code waits.
    pub fn with<R>(&self, act: impl FnOnce(&mut Exchange) -> R) -> R {
        // SAFETY: the exchange is one that Lua code acted on just now, so that it is in place; its code waits, and
        // reaches it through the same pointer and only when it is resumed, which `act` does not do.
        act(unsafe { &mut *self.exchange })
    }

    /// Who waits for it.
    pub fn into_waiting(self) -> Vec<oneshot::Sender<Passed>> {
        self.waiting
    }
}
