//! `ngx.errlog`: the error log, past the file and line of `ngx.log`, and what was captured of it.

use crate::exchange::current;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::{Level, capture, log};

const NOT_SET: &str = "directive \"lua_capture_error_log\" is not set";

/// Loader of `ngx.errlog`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 5);
    let table = frame.top();
    frame.set_function(table, "raw_log", |frame| {
        let level = level(frame, "log level")?;
        if frame.kind(2) != Kind::String {
            return Err(Flow::raise("bad argument #2 to 'raw_log' (must be a string)"));
        }
        current::log(level, frame.bytes(2)?);
        Ok(0)
    });
    frame.set_function(table, "get_sys_filter_level", |frame| {
        frame.push_integer(log::level() as i64);
        Ok(1)
    });
    frame.set_function(table, "set_filter_level", |frame| {
        if frame.is_nil(1) {
            return Err(Flow::raise("missing \"level\" argument"));
        }
        let level = level(frame, "log level")?;
        if !capture::is_on() {
            return frame.fail(NOT_SET);
        }
        capture::set_least(level);
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "get_logs", captured);
    Ok(1)
}

/// `get_logs(most?, table?)`: level, time and text of each line, the oldest first; `nil` after the last.
fn captured(frame: &Frame) -> Answer {
    let most = frame.optional_number(1)?.filter(|most| *most > 0.0);
    if !capture::is_on() {
        return frame.fail(NOT_SET);
    }
    let lines = capture::take(most.map_or(usize::MAX, |most| most as usize));
    if frame.kind(2) == Kind::Table {
        frame.push_value(2);
    } else {
        frame.push_table(lines.len() * 3, 0);
    }
    let mut at = 0;
    for line in lines {
        frame.push_integer(line.level as i64);
        frame.set_index(-2, at + 1);
        frame.push_number(line.time);
        frame.set_index(-2, at + 2);
        frame.push_bytes(&line.line);
        frame.set_index(-2, at + 3);
        at += 3;
    }
    frame.push_nil();
    frame.set_index(-2, at + 1);
    Ok(1)
}

fn level(frame: &Frame, what: &str) -> Result<Level, Flow> {
    let number = frame.number(1).ok().filter(|number| (0.0..=8.0).contains(number));
    let level = number.and_then(|number| Level::from_number(number as u8));
    level.ok_or_else(|| Flow::raise(format!("bad {what}")))
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
