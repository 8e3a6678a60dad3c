//! `ngx.socket`: connections that Lua code reads and writes as if it blocked.
//!
//! | file | holds |
//! |---|---|
//! | [`stream`] | a connection over TCP, a unix socket or TLS |
//! | [`connection`] | what a socket is connected to: the stream and what was read ahead |
//! | [`tcp`], [`connect`], [`receive`] | the methods of `ngx.socket.tcp()` |
//! | [`options`] | `setoption`, `getoption` |
//! | [`process`] | processes and what they read and write, for `ngx.pipe` |
//! | [`pool`] | idle connections, kept for the next `connect` |
//! | [`tls`] | handshakes |
//! | [`udp`] | `ngx.socket.udp()` |
//!
//! A socket is borrowed only while it is polled, so that one light thread can read while another
//! writes. Error texts are those of OpenResty, since plugins compare them.

mod connect;
mod connection;
mod options;
mod pool;
pub(in crate::lua) mod process;
mod receive;
mod stream;
mod tcp;
pub(in crate::lua) mod tls;
mod udp;

use crate::exchange::RequestBody;
use crate::http::Version;
use crate::lua::Phase;
use crate::lua::context::{self, require_waiting, with_exchange};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::limits::limits;
use std::ffi::c_int;
use std::future::Future;
use std::io;
use std::time::Duration;
use stream::{Body, Stream};

pub(in crate::lua) use connect::use_resolver;

pub(super) fn install(frame: &Frame, ngx: c_int) {
    super::noun(frame, ngx, "socket", |frame, table| {
        for name in ["tcp", "stream"] {
            frame.set_function(table, name, |frame| {
                require_sockets()?;
                tcp::push(frame);
                Ok(1)
            });
        }
        frame.set_function(table, "connect", |frame| {
            require_sockets()?;
            tcp::push(frame);
            frame.insert(1);
            connect::connect_and_answer_socket(frame)
        });
        frame.set_function(table, "udp", |frame| {
            require_sockets()?;
            udp::push(frame);
            Ok(1)
        });
    });
}

/// Refuses sockets where they could do nothing. Modules may make some while they load.
fn require_sockets() -> Result<(), Flow> {
    match context::phase() {
        Phase::Init | Phase::InitWorker => Ok(()),
        _ => require_waiting(),
    }
}

/// `ngx.req.socket(true)`: the client's connection, on which the gateway says nothing any more. What was written of
/// a response before goes out first.
fn raw(frame: &Frame) -> Answer {
    let taken = with_exchange(|exchange| {
        if exchange.request.head.version >= Version::Http2 {
            return Err("http v2 not supported yet");
        }
        let Some(link) = exchange.client.raw() else { return Err("no connection to take over") };
        let response = &mut exchange.response;
        if response.head_sent && !response.begun {
            return Err("response header already sent");
        } else if std::mem::replace(&mut response.is_raw, true) {
            return Err("duplicate call");
        }
        if response.begun && !response.head_sent {
            link.head(&response.head);
            link.queue(&std::mem::take(&mut response.body));
        }
        exchange.request.body = RequestBody::Taken;
        Ok(link.connection())
    })?;
    match taken {
        Err(message) => frame.fail(message),
        Ok(connection) => {
            tcp::push_connected(frame, Stream::Client(connection));
            Ok(1)
        }
    }
}

/// `ngx.req.socket(raw?)`: a socket that reads the request body as it comes, or the client's connection.
pub(super) fn of_request(frame: &Frame) -> Answer {
    require_waiting()?;
    if frame.truth(1) {
        return raw(frame);
    }
    let source = with_exchange(|exchange| {
        if exchange.request.head.version >= Version::Http2 {
            return Err("http v2 not supported yet");
        }
        match &exchange.request.body {
            RequestBody::Empty => Err("no body"),
            RequestBody::Unread(source) if source.declared_len() == Some(0) => Err("no body"),
            RequestBody::Unread(source) if source.declared_len().is_none() => {
                Err("chunked request bodies not supported yet")
            }
            RequestBody::Unread(_) => exchange.request.body.take_source().ok_or("no body"),
            RequestBody::Taken => Err("duplicate call"),
            RequestBody::Memory(_) | RequestBody::Spooled(_) => Err("request body already exists"),
        }
    })?;
    match source {
        Err(message) => frame.fail(message),
        Ok(source) => {
            tcp::push_connected(frame, Stream::Body(Body::new(source)));
            Ok(1)
        }
    }
}

/// How long the operations of a socket may take.
#[derive(Clone, Copy)]
struct Timeouts {
    connect: Duration,
    send: Duration,
    read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let limits = limits();
        Self { connect: limits.connect, send: limits.send, read: limits.read }
    }
}

/// Waits for an operation, for so long.
///
/// # Errors
/// Its own error in OpenResty's words, or "timeout".
async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err("timeout".into()),
    }
}

/// An error in the words of OpenResty: the system's, in lower case.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => return "closed".into(),
        io::ErrorKind::TimedOut => return "timeout".into(),
        _ => {}
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_ascii_lowercase()
}

/// Milliseconds that Lua gave as a duration; nothing and what is not positive mean the default.
fn milliseconds(number: Option<f64>) -> Duration {
    match number {
        Some(number) if number > 0.0 => Duration::from_millis(number as u64),
        _ => Timeouts::default().read,
    }
}

#[cfg(test)]
mod tests;
