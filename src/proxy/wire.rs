//! A connection with its buffers and deadlines: what the codec reads from and writes to.

use super::deadline::Deadline;
use super::{Stream, buffers};
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// A connection, the bytes read from it and not used yet, and the bytes waiting to be written.
///
/// *Invariant*: `start <= input.len()` and `sent <= output.len()`.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    input: Vec<u8>,
    start: usize,
    output: Vec<u8>,
    sent: usize,
    /// When reading has taken too long.
    pub reading: Deadline,
    /// When writing has taken too long.
    pub writing: Deadline,
    /// Bytes written since the connection began.
    pub written: u64,
    closed: bool,
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub enum WireError {
    /// The kernel or TLS says so.
    Io(io::Error),
    /// A deadline passed.
    Late,
}

impl Wire {
    /// A wire over a connection, without buffers yet.
    pub fn new(stream: Stream) -> Wire {
        Wire {
            stream,
            input: Vec::new(),
            start: 0,
            output: Vec::new(),
            sent: 0,
            reading: Deadline::new(),
            writing: Deadline::new(),
            written: 0,
            closed: false,
        }
    }

    /// Bytes read and not consumed.
    pub fn unread(&self) -> &[u8] {
        self.input.get(self.start..).unwrap_or_default()
    }

    /// Drops `n` bytes from the start of what is unread.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.input.len());
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        }
    }

    /// Whether the peer has ended its side.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The connection.
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The bytes that wait to be written; append to it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = buffers::take();
        }
        &mut self.output
    }

    /// How many bytes wait to be written.
    pub fn queued(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Reads more input, at least `room` bytes of room; zero at the peer's end of it.
    ///
    /// *Errors*: [`WireError::Late`] when the `reading` deadline has passed.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Result<usize, WireError>> {
        if self.closed {
            return Poll::Ready(Ok(0));
        }
        self.make_room(room);
        let read = pin!(self.stream.read_buf(&mut self.input));
        match std::future::Future::poll(read, cx) {
            Poll::Ready(Ok(n)) => {
                self.closed = n == 0;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(WireError::Io(error))),
            Poll::Pending => self.reading.poll(cx).map(|()| Err(WireError::Late)),
        }
    }

    /// Writes all output.
    ///
    /// *Errors*: [`WireError::Late`] when the `writing` deadline has passed.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        while self.sent < self.output.len() {
            let rest = self.output.get(self.sent..).unwrap_or_default();
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(WireError::Io(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(n)) => {
                    self.sent += n;
                    self.written += n as u64;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(WireError::Io(error))),
                Poll::Pending => return self.writing.poll(cx).map(|()| Err(WireError::Late)),
            }
        }
        self.output.clear();
        self.sent = 0;
        match &self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(_) => Pin::new(&mut self.stream).poll_flush(cx).map_err(WireError::Io),
        }
    }

    /// Writes from `bytes` directly, past the (empty) output; returns how many.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, WireError>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(n)) => {
                self.written += n as u64;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(WireError::Io(error))),
            Poll::Pending => self.writing.poll(cx).map(|()| Err(WireError::Late)),
        }
    }

    /// Waits for input without holding a buffer; ready at once when there is unread input.
    ///
    /// TLS has to be read to learn whether there is data, and keeps what it reads itself.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        if !self.unread().is_empty() || self.closed {
            return Poll::Ready(Ok(()));
        }
        match &self.stream {
            Stream::Plain(plain) => match plain.poll_readable(cx) {
                Poll::Ready(ready) => Poll::Ready(ready.map_err(WireError::Io)),
                Poll::Pending => self.reading.poll(cx).map(|()| Err(WireError::Late)),
            },
            Stream::Tls(_) => {
                ready!(self.poll_fill(cx, buffers::USUAL))?;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Gives the buffers back to the worker when nothing is in them.
    pub fn release(&mut self) {
        if self.unread().is_empty() {
            buffers::give(mem::take(&mut self.input));
            self.start = 0;
        }
        if self.queued() == 0 {
            buffers::give(mem::take(&mut self.output));
            self.sent = 0;
        }
    }

    /// Whether an idle connection is still what it was: open, and silent.
    ///
    /// *Cost*: no system call unless the peer did something.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.reading.clear();
        self.unread().is_empty() && self.poll_fill(&mut cx, 1).is_pending()
    }

    /// Ends our side of the connection.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map_err(WireError::Io)
    }

    /// Takes the wire apart: the connection and what was read from it.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.input.drain(..self.start);
        (self.stream, self.input)
    }

    fn make_room(&mut self, room: usize) {
        if self.input.capacity() == 0 {
            self.input = buffers::take();
        }
        if self.input.capacity() - self.input.len() >= room {
            return;
        }
        if self.start > 0 {
            self.input.drain(..self.start);
            self.start = 0;
        }
        if self.input.capacity() - self.input.len() < room {
            self.input.reserve(room.max(buffers::USUAL));
        }
    }
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> io::Error {
        match error {
            WireError::Io(error) => error,
            WireError::Late => io::ErrorKind::TimedOut.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Plain;
    use std::future::poll_fn;
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn bytes_are_read_consumed_and_written_in_order() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(Stream::Plain(Plain::Unix(near)));
        assert!(wire.is_quiet());
        tokio::io::AsyncWriteExt::write_all(&mut far, b"hello").await.unwrap();
        poll_fn(|cx| wire.poll_readable(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| wire.poll_fill(cx, 1)).await.unwrap(), 5);
        wire.consume(2);
        assert_eq!(wire.unread(), b"llo");
        wire.consume(3);
        wire.output().extend_from_slice(b"bye");
        poll_fn(|cx| wire.poll_flush(cx)).await.unwrap();
        let mut got = [0; 3];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!((&got, wire.written, wire.queued()), (b"bye", 3, 0));
    }

    #[tokio::test]
    async fn a_peer_that_hung_up_or_spoke_is_not_quiet() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(Stream::Plain(Plain::Unix(near)));
        assert!(wire.is_quiet());
        drop(far);
        poll_fn(|cx| wire.poll_readable(cx)).await.unwrap();
        assert!(!wire.is_quiet());
        assert_eq!(poll_fn(|cx| wire.poll_fill(cx, 1)).await.unwrap(), 0);
        assert!(wire.is_closed());
    }
}
