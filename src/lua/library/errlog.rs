//! `ngx.errlog`: the error log, past the file and line of `ngx.log`.

use crate::exchange::current;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::observability::{Level, log};

/// Loader of `ngx.errlog`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.set_function(table, "raw_log", |frame| {
        let level = level(frame)?;
        current::log(level, frame.bytes(2)?);
        Ok(0)
    });
    frame.set_function(table, "get_sys_filter_level", |frame| {
        frame.push_integer(log::level() as i64);
        Ok(1)
    });
    frame.set_function(table, "set_filter_level", |frame| {
        level(frame)?;
        frame.fail("not found \"lua_capture_error_log\" directive")
    });
    frame.set_function(table, "get_logs", |frame| {
        frame.fail("directive \"lua_capture_error_log\" is not set")
    });
    Ok(1)
}

fn level(frame: &Frame) -> Result<Level, Flow> {
    let number = frame.integer(1)?;
    let level = u8::try_from(number).ok().and_then(Level::from_number);
    level.ok_or_else(|| Flow::Argument(1, format!("bad log level: {number}")))
}

/// Loader of `ngx.process`.
pub(super) fn load_process(frame: &Frame) -> Answer {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.set_function(table, "type", |frame| {
        frame.push_text("worker");
        Ok(1)
    });
    frame.set_function(table, "get_master_pid", |frame| {
        frame.push_integer(i64::from(nix::unistd::getppid().as_raw()));
        Ok(1)
    });
    frame.set_function(table, "enable_privileged_agent", |frame| {
        frame.fail("there is no privileged agent in this gateway")
    });
    frame.set_function(table, "signal_graceful_exit", |_| {
        crate::lua::ngx::worker::begin_exit();
        Ok(0)
    });
    Ok(1)
}
