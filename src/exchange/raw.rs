//! The client's connection in the hands of Lua code: `ngx.req.socket(true)`.

use crate::http::ResponseHead;
use std::fmt;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A client's connection that can be taken over: one per protocol, written by the proxy.
pub trait RawLink: fmt::Debug {
    /// Queues a response head, as the code has made it.
    fn head(&self, head: &ResponseHead);

    /// Queues bytes.
    fn queue(&self, bytes: &[u8]);

    /// The connection, from where the request head ended. Whoever has it speaks on it alone.
    fn connection(self: Rc<Self>) -> Box<dyn RawConnection>;
}

/// A connection as bytes.
pub trait RawConnection: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> RawConnection for T {}
