//! A byte stream: TCP, a unix socket, either with TLS around it; or a request body, to read only.

use crate::exchange::{BodySource, RawConnection};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connected stream.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Stream>>),
    Body(Body),
    /// The client's connection.
    Client(Box<dyn RawConnection>),
    /// What a process writes.
    Reader(Box<dyn AsyncRead + Unpin>),
    /// What a process reads.
    Writer(Box<dyn AsyncWrite + Unpin>),
}

/// A request body as it comes, and what was read of it beyond what was asked for.
pub(super) struct Body {
    source: Box<dyn BodySource>,
    ahead: Vec<u8>,
}

impl Body {
    pub(super) fn new(source: Box<dyn BodySource>) -> Self {
        Self { source, ahead: Vec::new() }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.ahead.is_empty() {
            match ready!(self.source.poll_fill(cx, &mut self.ahead)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let size = self.ahead.len().min(buf.remaining());
        buf.put_slice(self.ahead.get(..size).unwrap_or_default());
        self.ahead.drain(..size);
        Poll::Ready(Ok(()))
    }
}

fn read_only() -> io::Error {
    io::Error::other("this end can only be read")
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Body(body) => body.poll_read(cx, buf),
            Self::Client(client) => Pin::new(client).poll_read(cx, buf),
            Self::Reader(reader) => Pin::new(reader).poll_read(cx, buf),
            // Nothing comes, and the end is seen by writing.
            Self::Writer(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Client(client) => Pin::new(client).poll_write(cx, data),
            Self::Body(_) | Self::Reader(_) => Poll::Ready(Err(read_only())),
            Self::Writer(writer) => Pin::new(writer).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Client(client) => Pin::new(client).poll_flush(cx),
            Self::Body(_) | Self::Reader(_) => Poll::Ready(Ok(())),
            Self::Writer(writer) => Pin::new(writer).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Client(client) => Pin::new(client).poll_shutdown(cx),
            Self::Body(_) | Self::Reader(_) => Poll::Ready(Ok(())),
            Self::Writer(writer) => Pin::new(writer).poll_shutdown(cx),
        }
    }
}
