//! Processes, and sockets on what they read and write: what `ngx.pipe` is built on.

use super::stream::Stream;
use super::tcp;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, OsString, c_int};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A process in Lua's hands; killed when Lua lets go of it.
#[derive(Clone)]
struct Process(Rc<Inner>);

struct Inner {
    pid: i32,
    /// Taken while it is waited for.
    child: RefCell<Option<Child>>,
    waiting: Cell<bool>,
}

/// A process that is waited for. Dropped before it has ended, it can be waited for again: a light thread that waits
/// may be killed.
struct Awaited {
    process: Rc<Inner>,
    child: Option<Child>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.process.waiting.set(false);
        if let Some(child) = self.child.take() {
            self.process.child.replace(Some(child));
        }
    }
}

impl Object for Process {
    const NAME: &'static CStr = c"process";

    fn methods(_: &Frame, _: c_int) {}
}

/// Loader of `host.process`.
pub(in crate::lua) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.set_function(table, "spawn", spawn);
    frame.set_function(table, "pid", |frame| {
        frame.push_integer(i64::from(object::at::<Process>(frame, 1)?.0.pid));
        Ok(1)
    });
    frame.set_function(table, "kill", send_signal);
    frame.set_function(table, "wait", wait);
    Ok(1)
}

fn texts(frame: &Frame, at: c_int) -> Result<Vec<OsString>, Flow> {
    let mut texts = Vec::new();
    for index in 1..=frame.length(at) {
        frame.push_index(at, index);
        texts.push(OsString::from_vec(frame.bytes(-1)?.to_vec()));
        frame.pop(1);
    }
    Ok(texts)
}

/// `spawn(arguments, environment?, merges)`: the process, and sockets on its input, output and errors.
fn spawn(frame: &Frame) -> Answer {
    let arguments = texts(frame, 1)?;
    let Some((program, rest)) = arguments.split_first() else {
        return Err(Flow::Argument(1, "non-empty table expected".into()));
    };
    let merges = frame.truth(3);
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    if frame.kind(2) == Kind::Table {
        command.env_clear();
        for entry in texts(frame, 2)? {
            let entry = entry.to_string_lossy().into_owned();
            let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
            command.env(name, value);
        }
    }
    let merged = if merges { merge(&mut command) } else { Ok(None) };
    if !merges {
        command.stderr(Stdio::piped());
    }
    let spawned = merged.and_then(|merged| command.spawn().map(|child| (child, merged)));
    // The copies of the pipe's end that the command holds would keep it open.
    drop(command);
    let (mut child, merged) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return frame.fail(super::words(&error)),
    };
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
    let inner = Inner { pid, child: RefCell::new(Some(child)), waiting: Cell::new(false) };
    object::push(frame, Process(Rc::new(inner)));
    push(frame, input.map(|pipe| Stream::Writer(Box::new(pipe))));
    match merged {
        Some(pipe) => push(frame, Some(Stream::Reader(Box::new(pipe)))),
        None => push(frame, output.map(|pipe| Stream::Reader(Box::new(pipe)))),
    }
    push(frame, errors.map(|pipe| Stream::Reader(Box::new(pipe))));
    Ok(4)
}

/// One pipe for output and errors.
fn merge(command: &mut Command) -> std::io::Result<Option<tokio::net::unix::pipe::Receiver>> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let descriptor = std::os::fd::OwnedFd::from(reader);
    tokio::net::unix::pipe::Receiver::from_owned_fd(descriptor).map(Some)
}

fn push(frame: &Frame, stream: Option<Stream>) {
    match stream {
        Some(stream) => tcp::push_connected(frame, stream),
        None => frame.push_nil(),
    }
}

/// `kill(process, signal)`.
fn send_signal(frame: &Frame) -> Answer {
    let process = object::at::<Process>(frame, 1)?;
    let number = c_int::try_from(frame.integer(2)?).unwrap_or(0);
    let Ok(signal) = Signal::try_from(number) else { return frame.fail("invalid signal") };
    let has_ended = match &mut *process.0.child.borrow_mut() {
        Some(child) => matches!(child.try_wait(), Ok(Some(_))),
        None => !process.0.waiting.get(),
    };
    if has_ended {
        return frame.fail("exited");
    }
    match kill(Pid::from_raw(process.0.pid), signal) {
        Ok(()) => frame.push_boolean(true),
        Err(nix::errno::Errno::ESRCH) => return frame.fail("not exists"),
        Err(error) => return frame.fail(error.desc().to_ascii_lowercase()),
    }
    Ok(1)
}

/// `wait(process, milliseconds)`: whether it ended well, how ("exit" or "signal") and with what.
fn wait(frame: &Frame) -> Answer {
    let process = object::at::<Process>(frame, 1)?.clone();
    let limit = frame.optional_number(2)?.filter(|limit| *limit > 0.0).unwrap_or(10_000.0);
    if process.0.waiting.get() {
        return frame.fail("pipe busy waiting");
    }
    let Some(child) = process.0.child.take() else { return frame.fail("exited") };
    process.0.waiting.set(true);
    let mut awaited = Awaited { process: Rc::clone(&process.0), child: Some(child) };
    frame.wait(async move {
        let ended = match &mut awaited.child {
            Some(child) => tokio::time::timeout(Duration::from_millis(limit as u64), child.wait()).await,
            None => Ok(Err(std::io::ErrorKind::NotFound.into())),
        };
        if ended.is_ok() {
            awaited.child = None;
        }
        drop(awaited);
        Box::new(move |frame: &Frame| match ended {
            Ok(Ok(status)) => Ok(push_status(frame, status)),
            Ok(Err(error)) => frame.fail(super::words(&error)),
            Err(_) => frame.fail("timeout"),
        }) as Resume
    })
}

fn push_status(frame: &Frame, status: ExitStatus) -> c_int {
    frame.push_boolean(status.success());
    match (status.code(), status.signal()) {
        (Some(code), _) => {
            frame.push_text("exit");
            frame.push_integer(i64::from(code));
        }
        (None, signal) => {
            frame.push_text("signal");
            frame.push_integer(i64::from(signal.unwrap_or(0)));
        }
    }
    3
}
