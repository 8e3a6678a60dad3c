//! `ngx.worker`, `ngx.config` and the beginning of a worker's end.

use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::vm::Settings;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use tokio::sync::Notify;

thread_local! {
    static EXITING: Cell<bool> = const { Cell::new(false) };
    static EXIT_BEGUN: RefCell<Rc<Notify>> = RefCell::new(Rc::new(Notify::new()));
}

/// Says that this worker begins to end: timers fire early with `premature` true.
pub fn begin_exit() {
    EXITING.set(true);
    EXIT_BEGUN.with_borrow(|begun| begun.notify_waiters());
}

/// Whether the worker has begun to end.
pub(in crate::lua) fn exiting() -> bool {
    EXITING.get()
}

/// Ready when the worker begins to end.
pub(super) async fn exit_begun() {
    let begun = EXIT_BEGUN.with_borrow(Rc::clone);
    let notified = begun.notified();
    if !exiting() {
        notified.await;
    }
}

pub(super) fn install(frame: &Frame, ngx: c_int, settings: &Settings) {
    super::noun(frame, ngx, "worker", |frame, worker| {
        frame.push_integer(settings.worker_id as i64);
        frame.push_closure(upvalue, 1);
        frame.set_field(worker, "id");
        frame.push_integer(settings.worker_count as i64);
        frame.push_closure(upvalue, 1);
        frame.set_field(worker, "count");
        frame.set_function(worker, "pid", |frame| {
            frame.push_integer(i64::from(std::process::id()));
            Ok(1)
        });
        frame.set_function(worker, "pids", |frame| {
            frame.push_table(1, 0);
            frame.push_integer(i64::from(std::process::id()));
            frame.set_index(-2, 1);
            Ok(1)
        });
        frame.set_function(worker, "exiting", |frame| {
            frame.push_boolean(exiting());
            Ok(1)
        });
    });
    super::noun(frame, ngx, "config", |frame, config| {
        install_config(frame, config, settings);
    });
    // Worker threads of nginx's own pool; a VM is bound to its thread here.
    frame.set_function(ngx, "run_worker_thread", |_| {
        Err(Flow::raise("ngx.run_worker_thread is not supported: a Lua VM stays on its worker's thread"))
    });
}

fn install_config(frame: &Frame, config: c_int, settings: &Settings) {
    frame.push_text(settings.subsystem);
    frame.set_field(config, "subsystem");
    frame.push_boolean(false);
    frame.set_field(config, "debug");
    frame.push_boolean(false);
    frame.set_field(config, "is_console");
    // Those of OpenResty 1.25.3.2, which Kong 3.9 is built on.
    frame.push_integer(1_025_003);
    frame.set_field(config, "nginx_version");
    frame.push_integer(10_026);
    frame.set_field(config, "ngx_lua_version");
    frame.push_text(&settings.prefix.to_string_lossy());
    frame.push_closure(upvalue, 1);
    frame.set_field(config, "prefix");
    frame.push_text("");
    frame.push_closure(upvalue, 1);
    frame.set_field(config, "nginx_configure");
}

fn upvalue(frame: &Frame) -> Answer {
    frame.push_value(Frame::upvalue(1));
    Ok(1)
}
