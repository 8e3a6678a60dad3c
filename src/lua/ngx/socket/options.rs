//! `setoption` and `getoption` of TCP sockets.

use super::stream::Stream;
use super::tcp::this;
use crate::lua::frame::{Answer, Frame, Kind};
use socket2::SockRef;
use std::io;

const NAMES: [&str; 5] = ["keepalive", "reuseaddr", "tcp-nodelay", "sndbuf", "rcvbuf"];

/// `setoption(name, value)`.
pub(super) fn set(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    if frame.is_nil(2) {
        return frame.fail("missing the \"option\" argument");
    }
    if frame.is_nil(3) {
        return frame.fail("missing the \"value\" argument");
    }
    let name = frame.text(2)?;
    if !NAMES.contains(&&*name) {
        return frame.fail(format!("unsupported option {name}"));
    }
    let value = match frame.kind(3) {
        Kind::Boolean => i64::from(frame.truth(3)),
        _ => frame.integer(3)?,
    };
    let slot = socket.0.slot.borrow();
    let Some(connection) = slot.as_ref() else { return frame.fail("socket is closed") };
    match change(&connection.stream, &name, value) {
        Ok(()) => frame.push_boolean(true),
        Err(error) => return frame.fail(error.to_string()),
    }
    Ok(1)
}

/// `getoption(name)`.
pub(super) fn get(frame: &Frame) -> Answer {
    let socket = this(frame)?;
    if frame.is_nil(2) {
        return frame.fail("missing the \"option\" argument");
    }
    let name = frame.text(2)?;
    if !NAMES.contains(&&*name) {
        return frame.fail(format!("unsupported option {name}"));
    }
    let slot = socket.0.slot.borrow();
    let Some(connection) = slot.as_ref() else { return frame.fail("socket is closed") };
    match value(&connection.stream, &name) {
        Ok(value) => frame.push_integer(value),
        Err(error) => return frame.fail(error.to_string()),
    }
    Ok(1)
}

fn change(stream: &Stream, name: &str, value: i64) -> io::Result<()> {
    let socket = socket_of(stream)?;
    let size = usize::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    match name {
        "keepalive" => socket.set_keepalive(value != 0),
        "reuseaddr" => socket.set_reuse_address(value != 0),
        "tcp-nodelay" => socket.set_tcp_nodelay(value != 0),
        "sndbuf" => socket.set_send_buffer_size(size),
        _ => socket.set_recv_buffer_size(size),
    }
}

fn value(stream: &Stream, name: &str) -> io::Result<i64> {
    let socket = socket_of(stream)?;
    Ok(match name {
        "keepalive" => i64::from(socket.keepalive()?),
        "reuseaddr" => i64::from(socket.reuse_address()?),
        "tcp-nodelay" => i64::from(socket.tcp_nodelay()?),
        "sndbuf" => socket.send_buffer_size()? as i64,
        _ => socket.recv_buffer_size()? as i64,
    })
}

fn socket_of(stream: &Stream) -> io::Result<SockRef<'_>> {
    match stream {
        Stream::Tcp(stream) => Ok(SockRef::from(stream)),
        Stream::Unix(stream) => Ok(SockRef::from(stream)),
        Stream::Tls(stream) => socket_of(stream.get_ref().0),
        Stream::Body(_) | Stream::Client(_) | Stream::Reader(_) | Stream::Writer(_) => {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }
    }
}
