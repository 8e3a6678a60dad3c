//! The object that `ngx.socket.tcp()` answers, and the methods that neither connect nor receive.

use super::connection::{self, Connection, Slot};
use super::stream::Stream;
use super::{Timeouts, connect, milliseconds, options, pool, receive, tls, within};
use crate::exchange::{EndsWithRequest, Held};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::limits::limits;
use crate::lua::ngx::ctx;
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int};
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// A socket, connected or not. Clones are the same socket.
#[derive(Clone, Default)]
pub(super) struct Socket(pub(super) Rc<Inner>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) slot: Slot,
    pub(super) timeouts: Cell<Timeouts>,
    /// Where connections start from, if not anywhere.
    pub(super) bound: Cell<Option<SocketAddr>>,
    reading: Cell<bool>,
    writing: Cell<bool>,
    /// Certificate and key to show at the next handshake.
    pub(super) identity: RefCell<Option<tls::Identity>>,
}

/// Marks a socket as busy until dropped.
pub(super) struct Busy(Rc<Inner>, fn(&Inner) -> &Cell<bool>);

impl Drop for Busy {
    fn drop(&mut self) {
        (self.1)(&self.0).set(false);
    }
}

impl EndsWithRequest for Inner {
    fn end(&self) {
        if let Ok(mut slot) = self.slot.try_borrow_mut() {
            slot.take();
        }
    }
}

impl Socket {
    /// # Errors
    /// OpenResty's words when another light thread is reading.
    pub(super) fn begin_reading(&self) -> Result<Busy, &'static str> {
        self.begin(|inner| &inner.reading).ok_or("socket busy reading")
    }

    /// # Errors
    /// OpenResty's words when another light thread is writing.
    pub(super) fn begin_writing(&self) -> Result<Busy, &'static str> {
        self.begin(|inner| &inner.writing).ok_or("socket busy writing")
    }

    fn begin(&self, flag: fn(&Inner) -> &Cell<bool>) -> Option<Busy> {
        if flag(&self.0).replace(true) { None } else { Some(Busy(Rc::clone(&self.0), flag)) }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.slot.borrow().is_some()
    }

    /// Closes the socket when the request or the timer of the running code is over.
    ///
    /// *Kong parity*: no connection outlives it, unless it is put into its pool.
    pub(super) fn hold(&self) {
        let weak: Weak<Inner> = Rc::downgrade(&self.0);
        ctx::hold(Held(weak));
    }

    pub(super) fn take(&self) -> Option<Connection> {
        self.0.slot.take()
    }
}

impl Object for Socket {
    const NAME: &'static CStr = c"tcp socket";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "bind", bind);
        frame.set_function(table, "connect", connect::connect);
        frame.set_function(table, "sslhandshake", tls::handshake);
        frame.set_function(table, "setclientcert", tls::set_client_certificate);
        frame.set_function(table, "send", send);
        frame.set_function(table, "receive", receive::receive);
        frame.set_function(table, "receiveany", receive::receive_any);
        frame.set_function(table, "receiveuntil", receive::receive_until);
        frame.set_function(table, "settimeout", set_timeout);
        frame.set_function(table, "settimeouts", set_timeouts);
        frame.set_function(table, "setkeepalive", set_keepalive);
        frame.set_function(table, "getreusedtimes", reused_times);
        frame.set_function(table, "setoption", options::set);
        frame.set_function(table, "getoption", options::get);
        frame.set_function(table, "close", close);
    }
}

/// Pushes a new socket: a table with the methods in its metatable and the socket as its first item.
pub(super) fn push(frame: &Frame) {
    object::push_wrapped(frame, Socket::default());
}

/// Pushes a socket that is connected to a stream of no pool.
pub(super) fn push_connected(frame: &Frame, stream: Stream) {
    let socket = Socket::default();
    socket.0.slot.replace(Some(Connection::new(stream, String::new(), None)));
    object::push_wrapped(frame, socket);
}

/// The socket in the first argument.
///
/// # Errors
/// A type error.
pub(super) fn this(frame: &Frame) -> Result<Socket, Flow> {
    object::at::<Socket>(frame, 1).cloned()
}

/// A timeout in milliseconds.
///
/// *Kong parity*: what is no number stands for the usual one, as with OpenResty.
pub(super) fn timeout(frame: &Frame, at: c_int) -> Result<Duration, Flow> {
    match frame.number(at).ok() {
        Some(number) if !(0.0..=f64::from(i32::MAX)).contains(&number) => {
            Err(Flow::raise("bad timeout value"))
        }
        number => Ok(milliseconds(number)),
    }
}

/// `bind(address, port?)`: connections start from this address of the machine.
fn bind(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    let Ok(address) = frame.text(2)?.parse::<IpAddr>() else { return frame.fail("bad address") };
    let port = match frame.optional_number(3)? {
        Some(port) if !(0.0..=65_535.0).contains(&port) => {
            return frame.fail(format!("bad port number: {port}"));
        }
        port => port.unwrap_or(0.0) as u16,
    };
    socket.0.bound.set(Some(SocketAddr::new(address, port)));
    frame.push_integer(1);
    Ok(1)
}

/// `settimeout(milliseconds)`.
fn set_timeout(frame: &Frame) -> Answer {
    let limit = timeout(frame, 2)?;
    this(frame)?.0.timeouts.set(Timeouts { connect: limit, send: limit, read: limit });
    Ok(0)
}

/// `settimeouts(connect, send, read)`.
fn set_timeouts(frame: &Frame) -> Answer {
    let limit = |at| timeout(frame, at);
    let timeouts = Timeouts { connect: limit(2)?, send: limit(3)?, read: limit(4)? };
    this(frame)?.0.timeouts.set(timeouts);
    Ok(0)
}

/// `send(data)`: a string, a number, or a list of these, nested at will.
fn send(frame: &Frame) -> Answer {
    if frame.top() != 2 {
        let text = format!("expecting 2 arguments (including the object), but got {}", frame.top());
        return Err(Flow::raise(text));
    }
    let socket = this(frame)?;
    let mut data = Vec::new();
    gather(frame, 2, &mut data)?;
    if socket.0.slot.borrow().as_ref().is_none_or(|connection| connection.write_closed) {
        return frame.fail("closed");
    }
    let busy = match socket.begin_writing() {
        Ok(busy) => busy,
        Err(message) => return frame.fail(message),
    };
    frame.wait(async move {
        let limit = socket.0.timeouts.get().send;
        let result = within(limit, connection::write_all(&socket.0.slot, &data)).await;
        drop(busy);
        Box::new(move |frame: &Frame| match result {
            Ok(()) => {
                frame.push_integer(data.len() as i64);
                Ok(1)
            }
            Err(message) => {
                if let Some(connection) = socket.0.slot.borrow_mut().as_mut() {
                    // A pipe whose reader is slow may be written to later on.
                    let is_pipe = matches!(connection.stream, Stream::Writer(_));
                    connection.write_closed = !(is_pipe && message == "timeout");
                }
                frame.fail(message)
            }
        }) as Resume
    })
}

/// Appends what is to be sent: the argument, or the values of a list, nested at will.
pub(super) fn gather(frame: &Frame, at: c_int, out: &mut Vec<u8>) -> Result<(), Flow> {
    let is_argument = at == 2;
    match frame.kind(at) {
        Kind::Table => {
            frame.reserve(4)?;
            for index in 1..=last_index(frame, at)? {
                frame.push_index(at, index);
                gather(frame, frame.top(), out)?;
                frame.pop(1);
            }
        }
        Kind::String | Kind::Number => out.extend_from_slice(frame.bytes(at)?),
        Kind::Boolean => out.extend_from_slice(if frame.truth(at) { b"true" } else { b"false" }),
        Kind::Nil if is_argument => out.extend_from_slice(b"nil"),
        _ if !is_argument => {
            return Err(Flow::Argument(2, format!("bad data type {} found", frame.kind_name(at))));
        }
        _ => {
            let kind = frame.kind_name(at);
            let text = format!("string, number, boolean, nil, or array table expected, got {kind}");
            return Err(Flow::Argument(2, text));
        }
    }
    Ok(())
}

/// The last index of a list, which may have holes.
///
/// # Errors
/// A table with other keys.
fn last_index(frame: &Frame, at: c_int) -> Result<usize, Flow> {
    let mut last = 0.0_f64;
    frame.push_nil();
    while frame.next(at) {
        frame.pop(1);
        let key = if frame.kind(-1) == Kind::Number { frame.number(-1)? } else { 0.0 };
        if key < 1.0 || key.floor() != key {
            frame.pop(1);
            return Err(Flow::Argument(2, "non-array table found".into()));
        }
        last = last.max(key);
    }
    Ok(last as usize)
}

/// `setkeepalive(milliseconds?, size?)`: puts the connection into its pool.
fn set_keepalive(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    let keep = match frame.optional_number(2)? {
        None => Some(limits().keep_alive).filter(|keep| !keep.is_zero()),
        Some(number) if number <= 0.0 => None,
        Some(number) => Some(milliseconds(Some(number))),
    };
    let size = match frame.optional_number(3)? {
        Some(size) if size < 1.0 => {
            return Err(Flow::Argument(3, format!("bad \"pool_size\" option value: {size}")));
        }
        size => size.map(|size| size as usize),
    };
    if socket.0.reading.get() {
        return frame.fail("socket busy reading");
    }
    let is_open = |connection: &Connection| !connection.read_closed && !connection.write_closed;
    if !socket.0.slot.borrow().as_ref().is_some_and(is_open) {
        return frame.fail("closed");
    }
    let Some(mut connection) = socket.take() else { return frame.fail("closed") };
    if !connection.ahead.is_empty() {
        return frame.fail("unread data in buffer");
    }
    if let Some(fault) = connection.fault() {
        return frame.fail(fault);
    }
    let size = connection.pool_size.or(size).unwrap_or(pool::DEFAULT_SIZE);
    pool::put(connection, keep, size);
    frame.push_integer(1);
    Ok(1)
}

fn reused_times(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    let reused = socket.0.slot.borrow().as_ref().map(|connection| connection.reused);
    match reused {
        Some(reused) => frame.push_integer(i64::from(reused)),
        None => return frame.fail("closed"),
    }
    Ok(1)
}

fn close(frame: &Frame) -> Answer {
    match this(frame)?.take() {
        Some(connection) if !connection.read_closed || !connection.write_closed => frame.push_integer(1),
        _ => return frame.fail("closed"),
    }
    Ok(1)
}
