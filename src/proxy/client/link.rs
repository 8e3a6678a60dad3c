//! What the parts of an HTTP/1 connection share: the wire, and the request body on it.

use crate::exchange::{BodyError, BodySource};
use crate::proxy::h1::{Framing, Incoming, Malformed, Piece};
use crate::proxy::settings::Settings;
use crate::proxy::wire::WireError;
use crate::proxy::{Wire, buffers};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A client's HTTP/1 connection: its wire and the request body that comes over it.
#[derive(Debug)]
pub struct Link {
    /// The connection.
    pub wire: Wire,
    /// What is left of the request body.
    pub incoming: Incoming,
    /// The length the request declared.
    pub declared: Option<u64>,
    /// Whether the client waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// Body bytes read of this request.
    pub received: u64,
    limit: u64,
    timeout: u64,
}

/// A request body that comes over a [`Link`].
pub struct LinkBody(pub Rc<RefCell<Link>>);

impl Link {
    /// The link of a new connection.
    pub fn new(wire: Wire) -> Link {
        Link {
            wire,
            incoming: Incoming::Done,
            declared: None,
            expects_continue: false,
            received: 0,
            limit: 0,
            timeout: 0,
        }
    }

    /// Begins the body of a request.
    pub fn begin(&mut self, framing: Framing, expects_continue: bool, settings: &Settings) {
        self.incoming = Incoming::new(framing);
        self.declared = match framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        };
        self.expects_continue = expects_continue && !self.incoming.is_done();
        self.received = 0;
        self.limit = settings.client_max_body_size;
        self.timeout = settings.client_body_timeout;
        if self.incoming.is_done() {
            self.wire.reading.clear();
        } else {
            self.wire.reading.set(self.timeout);
        }
    }

    /// Appends the next bytes of the body to `into`; false after the last.
    pub fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>> {
        if std::mem::take(&mut self.expects_continue) {
            self.wire.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.wire.writing.set(self.timeout);
        }
        if self.wire.queued() > 0 {
            ready!(self.wire.poll_flush(cx)).map_err(body_error)?;
        }
        loop {
            match self.incoming.next(self.wire.unread()) {
                Ok(Piece::Data { skip, len }) => {
                    self.wire.consume(skip);
                    into.extend_from_slice(self.wire.unread().get(..len).unwrap_or_default());
                    self.wire.consume(len);
                    self.received += len as u64;
                    if self.limit > 0 && self.received > self.limit {
                        return Poll::Ready(Err(BodyError::TooLarge));
                    }
                    return Poll::Ready(Ok(true));
                }
                Ok(Piece::End { skip }) => {
                    self.wire.consume(skip);
                    // A request's trailers are checked and go no further, as with nginx.
                    self.incoming.finish();
                    self.wire.reading.clear();
                    return Poll::Ready(Ok(false));
                }
                Ok(Piece::More) => {
                    let all = self.wire.unread().len();
                    self.wire.consume(all);
                    if ready!(self.wire.poll_fill(cx, buffers::USUAL)).map_err(body_error)? == 0 {
                        return Poll::Ready(Err(BodyError::Closed(None)));
                    }
                    self.wire.reading.set(self.timeout);
                }
                Err(Malformed) => return Poll::Ready(Err(BodyError::Malformed)),
            }
        }
    }

    /// The whole of a chunked body, if it is at hand and the client waits for nothing.
    fn take_whole(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        let Incoming::Chunked(decoder) = &self.incoming else { return Ok(None) };
        if self.expects_continue {
            return Ok(None);
        }
        let (mut decoder, mut body, mut at) = (decoder.clone(), Vec::new(), 0);
        let unread = self.wire.unread();
        loop {
            match decoder.next(unread.get(at..).unwrap_or_default()) {
                Ok(Piece::Data { skip, len }) => {
                    at += skip;
                    body.extend_from_slice(unread.get(at..at + len).unwrap_or_default());
                    at += len;
                    if self.limit > 0 && body.len() as u64 > self.limit {
                        return Err(BodyError::TooLarge);
                    }
                }
                Ok(Piece::More) => return Ok(None),
                Ok(Piece::End { skip }) => {
                    self.wire.consume(at + skip);
                    self.received += body.len() as u64;
                    self.incoming = Incoming::Done;
                    self.wire.reading.clear();
                    return Ok(Some(body));
                }
                Err(Malformed) => return Err(BodyError::Malformed),
            }
        }
    }

    /// Drops what is at hand of the body.
    pub fn drop_body_at_hand(&mut self) {
        while let Ok(piece) = self.incoming.next(self.wire.unread()) {
            match piece {
                Piece::Data { skip, len } => self.wire.consume(skip + len),
                Piece::End { skip } => {
                    self.wire.consume(skip);
                    self.incoming.finish();
                    return;
                }
                Piece::More => {
                    let all = self.wire.unread().len();
                    return self.wire.consume(all);
                }
            }
        }
    }
}

impl BodySource for LinkBody {
    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>> {
        self.0.borrow_mut().poll_body(cx, into)
    }

    fn declared_len(&self) -> Option<u64> {
        self.0.borrow().declared
    }

    fn take_whole(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.0.borrow_mut().take_whole()
    }
}

fn body_error(error: WireError) -> BodyError {
    match error {
        WireError::Late => BodyError::Timeout,
        WireError::Io(error) => BodyError::Closed(Some(error)),
    }
}
