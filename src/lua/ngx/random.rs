//! `math.randomseed` and the seed of each worker.

use crate::lua::frame::Frame;
use mlua::ffi;
use std::ffi::c_int;

/// Seeds `math.random` from the system, so that workers do not repeat each other.
pub(super) fn install(frame: &Frame, _: c_int) {
    frame.push_field(ffi::LUA_GLOBALSINDEX, "math");
    frame.push_field(-1, "randomseed");
    frame.push_number(f64::from(fastrand::u32(..)));
    // Cannot fail with a number; a VM without `math` would have failed before.
    if frame.call(1, 0).is_err() {
        frame.pop(1);
    }
    frame.pop(1);
}
