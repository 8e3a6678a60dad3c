//! What a socket is connected to.

use super::pool::Place;
use super::stream::Stream;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes asked for at each read.
const READ: usize = 8 * 1024;

/// A stream, what was read of it ahead of Lua, and where it may be kept.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Bytes that no `receive` has taken yet.
    pub(super) ahead: Vec<u8>,
    /// Name of its keep-alive pool.
    pub(super) pool: String,
    /// Connections its pool may hold, when `connect` said so.
    pub(super) pool_size: Option<usize>,
    /// Its place in a pool that bounds how many are open.
    pub(super) place: Option<Place>,
    /// How often it has come out of a pool.
    pub(super) reused: u32,
    /// The name TLS was made with, where it was.
    pub(super) tls: bool,
    /// Whether nothing more comes: the peer has ended, or reading failed.
    pub(super) read_closed: bool,
    /// Whether writing failed: nobody knows what the peer has got.
    pub(super) write_closed: bool,
}

/// A socket's connection, shared by the calls that wait on it. Empty when closed.
pub(super) type Slot = RefCell<Option<Connection>>;

impl Connection {
    pub(super) fn new(stream: Stream, pool: String, pool_size: Option<usize>) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
            pool,
            pool_size,
            place: None,
            reused: 0,
            tls: false,
            read_closed: false,
            write_closed: false,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [0_u8; READ];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Whether an idle connection is still good: nothing came, the end neither.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.fault().is_none()
    }

    /// Why a connection cannot be kept for later.
    pub(super) fn fault(&mut self) -> Option<&'static str> {
        match self.poll_read(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(Ok(0)) => Some("closed"),
            Poll::Ready(_) => Some("connection in dubious state"),
        }
    }
}

fn closed() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Reads some bytes ahead; 0 at the end of the stream.
///
/// # Errors
/// The stream's, or "not connected" when the socket was closed meanwhile.
pub(super) async fn read_ahead(slot: &Slot) -> io::Result<usize> {
    poll_fn(|cx| match slot.borrow_mut().as_mut() {
        Some(connection) => connection.poll_read(cx),
        None => Poll::Ready(Err(closed())),
    })
    .await
}

/// Writes all bytes.
///
/// # Errors
/// The stream's, or "not connected" when the socket was closed meanwhile.
pub(super) async fn write_all(slot: &Slot, data: &[u8]) -> io::Result<()> {
    let mut rest = data;
    while !rest.is_empty() {
        let written = poll_fn(|cx| match slot.borrow_mut().as_mut() {
            Some(connection) => Pin::new(&mut connection.stream).poll_write(cx, rest),
            None => Poll::Ready(Err(closed())),
        })
        .await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    poll_fn(|cx| match slot.borrow_mut().as_mut() {
        Some(connection) => Pin::new(&mut connection.stream).poll_flush(cx),
        None => Poll::Ready(Err(closed())),
    })
    .await
}
