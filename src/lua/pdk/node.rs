//! This machine and process: identity, log, files of logging plugins.

use super::settings;
use crate::conf::Conf;
use crate::exchange::current;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::vm::Vm;
use crate::observability::{Level, counters};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Write};
use std::time::Instant;

thread_local! {
    /// Files that plugins of this worker append to.
    static FILES: RefCell<HashMap<String, File>> = RefCell::default();
    static STARTED: Instant = Instant::now();
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "node_id", |frame| {
        frame.push_text(settings().as_ref().map_or("", |settings| &settings.node_id));
        Ok(1)
    });
    frame.set_function(table, "hostname", |frame| {
        frame.push_text(&hostname());
        Ok(1)
    });
    // Whether code of this VM serves requests; if not it is the Admin API's.
    frame.set_function(table, "is_worker", |frame| {
        frame.push_boolean(Vm::current()?.settings().is_worker);
        Ok(1)
    });
    frame.set_function(table, "clock_us", |frame| {
        frame.push_number(crate::exchange::now() as f64);
        Ok(1)
    });
    frame.set_function(table, "monotonic_ms", |frame| {
        frame.push_number(STARTED.with(|started| started.elapsed().as_millis() as f64));
        Ok(1)
    });
    frame.set_function(table, "log", |frame| {
        let level = u8::try_from(frame.integer(1)?).ok().and_then(Level::from_number);
        let level = level.ok_or_else(|| Flow::Argument(1, "bad log level".into()))?;
        current::log(level, frame.bytes(2)?);
        Ok(0)
    });
    frame.set_function(table, "is_sensitive", |frame| {
        frame.push_boolean(Conf::is_sensitive(&frame.text(1)?));
        Ok(1)
    });
    frame.set_function(table, "append_to_file", append_to_file);
    frame.set_function(table, "statistics", statistics);
    frame.set_function(table, "lua_memory", lua_memory);
}

/// The machine's name, without a domain unless it was set with one.
fn hostname() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| String::new(), |names| names.nodename().to_string_lossy().into_owned())
}

/// Appends a line to a file, which stays open for the next one unless it is to be opened anew.
fn append_to_file(frame: &Frame) -> Answer {
    let (path, line, reopen) = (frame.text(1)?, frame.bytes(2)?, frame.truth(3));
    let written = FILES.with_borrow_mut(|files| append(files, &path, line, reopen));
    match written {
        Ok(()) => frame.push_boolean(true),
        Err(error) => {
            // The system's words without the code that Rust adds.
            let text = error.to_string();
            return frame.fail(text.split(" (os error").next().unwrap_or_default());
        }
    }
    Ok(1)
}

fn append(files: &mut HashMap<String, File>, path: &str, line: &[u8], reopen: bool) -> io::Result<()> {
    if reopen {
        files.remove(path);
    }
    if !files.contains_key(path) {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options().append(true).create(true).mode(0o644).open(path)?;
        files.insert(path.to_owned(), file);
    }
    match files.get_mut(path) {
        Some(file) => file.write_all(line),
        None => Ok(()),
    }
}

/// How many bytes the VM of each worker of this process held when it last told.
fn lua_memory(frame: &Frame) -> Answer {
    let held = counters::lua_memory();
    frame.push_table(held.len(), 0);
    for (at, bytes) in held.into_iter().enumerate() {
        frame.push_number(bytes as f64);
        frame.set_index(-2, at + 1);
    }
    Ok(1)
}

/// Connections and requests of this worker process, by the names of nginx's stub_status.
fn statistics(frame: &Frame) -> Answer {
    let counters = settings().and_then(|settings| settings.statistics.map(|read| read()));
    frame.push_table(0, 8);
    for (name, value) in counters.unwrap_or_default().fields() {
        frame.push_number(value as f64);
        frame.set_field(-2, name);
    }
    Ok(1)
}
