//! `ngx.*`: one file per noun.
//!
//! Each file has an `install` that adds its functions to the `ngx` table. `lua/host/ngx.lua` then
//! adds what is plain Lua: the tables whose fields are computed (`ngx.var`, `ngx.ctx`,
//! `ngx.header`), and the variants of hot functions that the JIT compiles.

mod body;
mod constants;
pub mod ctx;
pub mod digest;
pub mod encode;
mod fields;
mod framing;
mod hot;
pub mod log;
mod random;
mod regex;
mod request;
mod response;
mod shared;
mod sleep;
pub(super) mod socket;
pub mod time;
mod timer;
pub mod var;
pub mod worker;

#[cfg(test)]
mod tests;

pub(crate) use response::ends_bare;

use super::frame::Frame;
use super::vm::Settings;
use super::{context, thread};
use std::ffi::c_int;

/// Pushes a new `ngx` table.
pub(super) fn push(frame: &Frame, settings: &Settings) {
    frame.push_table(0, 128);
    let ngx = frame.top();
    constants::install(frame, ngx);
    ctx::install(frame, ngx, settings.jit);
    digest::install(frame, ngx);
    encode::install(frame, ngx);
    hot::install(frame, ngx);
    log::install(frame, ngx);
    random::install(frame, ngx);
    regex::install(frame, ngx);
    response::install(frame, ngx);
    shared::install(frame, ngx, settings.dicts.as_deref());
    sleep::install(frame, ngx);
    socket::install(frame, ngx);
    time::install(frame, ngx);
    timer::install(frame, ngx);
    worker::install(frame, ngx, settings);
    var::install(frame, ngx);
    noun(frame, ngx, "thread", thread::install);
    noun(frame, ngx, "req", |frame, table| {
        request::install(frame, table);
        body::install(frame, table);
    });
    frame.set_function(ngx, "get_phase", |frame| {
        frame.push_text(context::phase().ngx_name());
        Ok(1)
    });
}

/// Adds a table of functions as a field of the table at `ngx`.
fn noun(frame: &Frame, ngx: c_int, name: &str, install: impl FnOnce(&Frame, c_int)) {
    frame.push_table(0, 16);
    install(frame, frame.top());
    frame.set_field(ngx, name);
}
