//! One try on one connection: send the request, wait for the response head.

use super::{Connection, Payload};
use crate::exchange::Timeouts;
use crate::http::ResponseHead;
use crate::proxy::h1::{HeadEnd, response};
use crate::proxy::wire::WireError;
use crate::proxy::{ProxyError, buffers};
use std::io;
use std::task::{Context, Poll};

/// A try on its way: written and read at the same time, since a peer may answer before it has the
/// whole request.
pub struct Sending<'a, 'b> {
    /// The connection, whose output holds the request head.
    pub connection: &'a mut Connection,
    /// The request body.
    pub payload: &'a mut Payload<'b>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Whether the whole request is with the kernel.
    pub finished: bool,
    /// Whether writing failed; the peer may have answered nevertheless.
    broken: Option<io::Error>,
    end: HeadEnd,
    /// Most bytes of a response head.
    head_max: usize,
}

impl<'a, 'b> Sending<'a, 'b> {
    /// A try whose head stands in the connection's output.
    pub fn new(
        connection: &'a mut Connection,
        payload: &'a mut Payload<'b>,
        timeouts: Timeouts,
        head_max: usize,
    ) -> Sending<'a, 'b> {
        connection.wire.writing.set(u64::from(timeouts.write));
        connection.wire.reading.clear();
        Sending {
            connection,
            payload,
            timeouts,
            finished: false,
            broken: None,
            end: HeadEnd::default(),
            head_max,
        }
    }

    /// Sends on, and reads the response head into `head` when it comes.
    ///
    /// Informational heads are returned like others; call again for the next.
    pub fn poll(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), ProxyError>> {
        if !self.finished && self.broken.is_none() {
            self.write(cx)?;
        }
        loop {
            let wire = &mut self.connection.wire;
            if !wire.unread().is_empty()
                && let Some(taken) = response::parse(wire.unread(), self.head_max, &mut self.end, head)?
            {
                wire.consume(taken);
                self.end.reset();
                return Poll::Ready(Ok(()));
            }
            match wire.poll_fill(cx, buffers::USUAL / 2) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.closed())),
                Poll::Ready(Ok(_)) => wire.reading.set(u64::from(self.timeouts.read)),
                Poll::Ready(Err(WireError::Late)) => return Poll::Ready(Err(ProxyError::ReadTimeout)),
                Poll::Ready(Err(WireError::Io(error))) => {
                    return Poll::Ready(Err(ProxyError::UpstreamClosed(self.broken.take().unwrap_or(error))));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes as much as the connection takes.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let wire = &mut self.connection.wire;
        loop {
            // A small body goes out with the head in one write.
            while wire.queued() < buffers::USUAL {
                match self.payload.poll_append(cx, wire.output())? {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => {
                        self.finished = true;
                        break;
                    }
                    Poll::Pending => break,
                }
            }
            let waiting = wire.queued();
            match wire.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.finished => {
                    wire.writing.clear();
                    wire.reading.set(u64::from(self.timeouts.read));
                    return Ok(());
                }
                // Nothing was there to write: the client's body is awaited, under its own deadline.
                Poll::Ready(Ok(())) if waiting == 0 => {
                    wire.writing.clear();
                    return Ok(());
                }
                Poll::Ready(Ok(())) => wire.writing.set(u64::from(self.timeouts.write)),
                Poll::Ready(Err(WireError::Late)) => return Err(ProxyError::WriteTimeout),
                Poll::Ready(Err(WireError::Io(error))) => {
                    wire.reading.set(u64::from(self.timeouts.read));
                    self.broken = Some(error);
                    return Ok(());
                }
                Poll::Pending => {
                    self.finished = false;
                    return Ok(());
                }
            }
        }
    }

    fn closed(&mut self) -> ProxyError {
        let error = self.broken.take();
        ProxyError::UpstreamClosed(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}
