//! A client's HTTP/1 connection in the hands of Lua code.

use super::Link;
use crate::exchange::{RawConnection, RawLink};
use crate::http::ResponseHead;
use crate::proxy::buffers;
use crate::proxy::h1::Incoming;
use crate::proxy::h1::encode::{self, ResponseForm};
use crate::proxy::wire::WireError;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait to be written before a writer has to wait.
const MOST_QUEUED: usize = 64 * 1024;

impl RawLink for RefCell<Link> {
    fn head(&self, head: &ResponseHead) {
        let mut link = self.borrow_mut();
        let form = ResponseForm {
            relayed: false,
            length_first: false,
            length: None,
            chunked: false,
            keep_alive: false,
        };
        encode::response(link.wire.output(), head, form);
    }

    fn queue(&self, bytes: &[u8]) {
        self.borrow_mut().wire.output().extend_from_slice(bytes);
    }

    fn connection(self: Rc<Self>) -> Box<dyn RawConnection> {
        let mut link = self.borrow_mut();
        // Nobody else reads what comes; the code has deadlines of its own.
        link.incoming = Incoming::Done;
        link.expects_continue = false;
        link.wire.reading.clear();
        link.wire.writing.clear();
        drop(link);
        Box::new(Raw(self))
    }
}

/// The bytes of a connection.
struct Raw(Rc<RefCell<Link>>);

impl AsyncRead for Raw {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut self.0.borrow_mut().wire;
        // What was queued before is on its way while the peer is waited for.
        if let Poll::Ready(Err(error)) = wire.poll_flush(cx) {
            return Poll::Ready(Err(error_of(error)));
        }
        if wire.unread().is_empty() {
            ready!(wire.poll_fill(cx, buffers::USUAL)).map_err(error_of)?;
        }
        let length = wire.unread().len().min(into.remaining());
        into.put_slice(wire.unread().get(..length).unwrap_or_default());
        wire.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Raw {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = &mut self.0.borrow_mut().wire;
        if wire.queued() >= MOST_QUEUED {
            ready!(wire.poll_flush(cx)).map_err(error_of)?;
        }
        let length = bytes.len().min(MOST_QUEUED);
        wire.output().extend_from_slice(bytes.get(..length).unwrap_or_default());
        match wire.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error_of(error))),
            _ => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().wire.poll_flush(cx).map_err(error_of)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut self.0.borrow_mut().wire;
        ready!(wire.poll_flush(cx)).map_err(error_of)?;
        wire.poll_shutdown(cx).map_err(error_of)
    }
}

fn error_of(error: WireError) -> io::Error {
    match error {
        WireError::Io(error) => error,
        WireError::Late => io::ErrorKind::TimedOut.into(),
    }
}
