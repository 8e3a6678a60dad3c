//! A response whose head was read.

use super::{Connection, Pool};
use crate::http::{Fields, Known, ResponseHead, Version};
use crate::proxy::ProxyError;
use crate::proxy::h1::{Incoming, Malformed, Piece};
use crate::proxy::wire::WireError;
use std::task::{Context, Poll};

/// A response whose head was read and whose body comes through here.
#[derive(Debug)]
pub struct Answer {
    /// The connection it comes over.
    pub connection: Connection,
    body: Incoming,
    read_timeout: u64,
    reusable: bool,
    trailers: Vec<u8>,
}

impl Answer {
    /// A response with this body; `reusable` tells whether both sides keep the connection.
    pub fn new(connection: Connection, body: Incoming, read_timeout: u32, reusable: bool) -> Answer {
        Answer { connection, body, read_timeout: u64::from(read_timeout), reusable, trailers: Vec::new() }
    }

    /// Whether the head lets the connection carry another request.
    pub fn keeps_alive(head: &ResponseHead) -> bool {
        let mut alive = head.version >= Version::Http11;
        for value in head.fields.known_values(Known::Connection) {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    return false;
                }
                alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        alive
    }

    /// The longest silence of the peer, in milliseconds.
    pub const fn read_timeout(&self) -> u64 {
        self.read_timeout
    }

    /// Body bytes at hand, if any: their length. They stay unread until [`Answer::consume`].
    ///
    /// `Ok(None)`: nothing at hand, or the body is over (see [`Answer::is_over`]).
    pub fn data(&mut self) -> Result<Option<usize>, ProxyError> {
        let wire = &mut self.connection.wire;
        match self.body.next(wire.unread()) {
            Ok(Piece::Data { skip, len }) => {
                wire.consume(skip);
                Ok(Some(len))
            }
            Ok(Piece::More) => {
                let all = wire.unread().len();
                wire.consume(all);
                if wire.is_closed() && matches!(self.body, Incoming::UntilClose) {
                    self.reusable = false;
                    self.body = Incoming::Done;
                }
                Ok(None)
            }
            Ok(Piece::End { skip }) => {
                wire.consume(skip);
                self.trailers = self.body.finish();
                Ok(None)
            }
            Err(Malformed) => Err(ProxyError::InvalidResponse("invalid chunked response")),
        }
    }

    /// The first `len` unread bytes.
    pub fn bytes(&self, len: usize) -> &[u8] {
        self.connection.wire.unread().get(..len).unwrap_or_default()
    }

    /// Drops `len` body bytes that were used.
    pub fn consume(&mut self, len: usize) {
        self.connection.wire.consume(len);
    }

    /// Whether the body has been read to its end.
    pub const fn is_over(&self) -> bool {
        self.body.is_done()
    }

    /// Reads more of the body from the peer, `room` bytes at least if there are so many.
    ///
    /// *Errors*: the peer was silent for the read timeout, or closed before the body's end.
    pub fn poll_more(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Result<(), ProxyError>> {
        let wire = &mut self.connection.wire;
        match wire.poll_fill(cx, room) {
            Poll::Ready(Ok(0)) if matches!(self.body, Incoming::UntilClose) => {
                self.reusable = false;
                self.body = Incoming::Done;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(0)) => {
                Poll::Ready(Err(ProxyError::UpstreamClosed(std::io::ErrorKind::UnexpectedEof.into())))
            }
            Poll::Ready(Ok(_)) => {
                wire.reading.set(self.read_timeout);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(WireError::Late)) => Poll::Ready(Err(ProxyError::ReadTimeout)),
            Poll::Ready(Err(WireError::Io(error))) => Poll::Ready(Err(ProxyError::UpstreamClosed(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Puts the fields of the trailer section into `fields`, without those that a trailer must not
    /// carry (RFC 9110, section 6.5.1).
    pub fn take_trailers(&mut self, fields: &mut Fields) -> Result<(), ProxyError> {
        if self.trailers.is_empty() {
            return Ok(());
        }
        self.trailers.extend_from_slice(b"\r\n");
        let mut lines = [httparse::EMPTY_HEADER; 64];
        let parsed = httparse::parse_headers(&self.trailers, &mut lines);
        let Ok(httparse::Status::Complete((_, lines))) = parsed else {
            return Err(ProxyError::InvalidResponse("invalid trailer section"));
        };
        for line in lines.iter().filter(|line| Known::of(line.name.as_bytes()) == Known::Other) {
            fields.append_valid(line.name.as_bytes(), line.value);
        }
        Ok(())
    }

    /// Gives the connection back to the pool when it can be used again, and closes it otherwise.
    pub fn release(self, pool: &Pool) {
        if self.reusable && self.body.is_done() {
            pool.give(self.connection);
        }
    }
}
