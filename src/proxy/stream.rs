//! Connections, whatever they are made of.

use crate::exchange::Address;
use nix::sys::socket::{MsgFlags, recv};
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection without encryption.
#[derive(Debug)]
pub enum Plain {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A connection to a client or to an upstream.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(Plain),
    /// Within TLS.
    Tls(Box<tokio_rustls::TlsStream<Plain>>),
}

impl Plain {
    /// Reads without taking anything away, waiting for the first byte.
    pub async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Plain::Tcp(stream) => stream.peek(into).await,
            Plain::Unix(stream) => {
                let peek = || Ok(recv(stream.as_raw_fd(), into, MsgFlags::MSG_PEEK)?);
                stream.async_io(Interest::READABLE, peek).await
            }
        }
    }

    /// The local end; `None` when the connection is gone already.
    pub fn local_address(&self) -> Option<Address> {
        match self {
            Plain::Tcp(stream) => stream.local_addr().ok().map(Address::inet),
            Plain::Unix(_) => Some(Address::unix()),
        }
    }

    /// Waits until there is something to read, without a buffer to read into.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Plain::Tcp(stream) => stream.poll_read_ready(cx),
            Plain::Unix(stream) => stream.poll_read_ready(cx),
        }
    }
}

impl Stream {
    /// The connection beneath TLS.
    pub fn plain(&self) -> &Plain {
        match self {
            Stream::Plain(plain) => plain,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Runs a method of whatever the connection is made of.
macro_rules! inner {
    ($this:expr, $kind:ident :: { $($variant:ident),* }, $stream:ident => $call:expr) => {
        match $this.get_mut() {
            $($kind::$variant($stream) => {
                let $stream = Pin::new($stream);
                $call
            })*
        }
    };
}

macro_rules! delegate_io {
    ($kind:ident :: { $($variant:ident),* }) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                into: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                inner!(self, $kind::{ $($variant),* }, stream => stream.poll_read(cx, into))
            }
        }

        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                inner!(self, $kind::{ $($variant),* }, stream => stream.poll_write(cx, bytes))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                inner!(self, $kind::{ $($variant),* }, stream => stream.poll_write_vectored(cx, pieces))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                inner!(self, $kind::{ $($variant),* }, stream => stream.poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                inner!(self, $kind::{ $($variant),* }, stream => stream.poll_shutdown(cx))
            }
        }
    };
}

delegate_io!(Plain::{ Tcp, Unix });
delegate_io!(Stream::{ Plain, Tls });
