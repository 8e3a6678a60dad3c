//! Locks that one of the nodes of a database holds: what `kong.db:cluster_mutex()` takes.

use super::store::{store, wait};
use crate::db::Lock;
use crate::lua::frame::{Answer, Frame};
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "store_take_lock", take);
    frame.set_function(table, "store_lock_owner", owner);
    frame.set_function(table, "store_release_lock", release);
}

/// Arguments: key, owner, the seconds it is held for at most, rounded up. Answers whether it was taken; nil and an error.
fn take(frame: &Frame) -> Answer {
    let (key, owner) = (frame.text(1)?.into_owned(), frame.text(2)?.into_owned());
    let lock = Lock { key, owner, lifetime: frame.number(3)?.ceil().max(1.0) as u64 };
    wait(frame, store()?.take_lock(lock), |frame, taken| {
        frame.push_boolean(taken);
        Ok(1)
    })
}

/// Argument: key. Answers who holds the lock, false for nobody; nil and an error.
fn owner(frame: &Frame) -> Answer {
    wait(frame, store()?.lock_owner(&frame.text(1)?), |frame, owner| {
        match owner {
            Some(owner) => frame.push_text(&owner),
            None => frame.push_boolean(false),
        }
        Ok(1)
    })
}

/// Arguments: key, owner. Answers true; nil and an error.
fn release(frame: &Frame) -> Answer {
    wait(frame, store()?.release_lock(&frame.text(1)?, &frame.text(2)?), |frame, ()| {
        frame.push_boolean(true);
        Ok(1)
    })
}
