//! The request body as a try sends it.

use crate::exchange::{BodySource, RequestBody};
use crate::proxy::ProxyError;
use crate::proxy::h1::write_chunk;
use std::io::{Read, Seek};
use std::task::{Context, Poll, ready};

/// The body of one try.
pub enum Payload<'a> {
    /// None, and no framing fields.
    Empty,
    /// In memory.
    Memory(&'a [u8]),
    /// In a spool file, of which `left` bytes are still to go.
    Spooled {
        /// The file, read from its start at each try.
        file: &'a mut std::fs::File,
        /// Its length.
        len: u64,
        /// Bytes still to be sent.
        left: u64,
    },
    /// As the client sends it; there is no second try once it has begun.
    Streamed {
        /// Where it comes from.
        source: &'a mut Box<dyn BodySource>,
        /// Scratch for chunks.
        piece: Vec<u8>,
    },
}

/// Bytes read from a spool file at a time.
const STEP: usize = 32 * 1024;

impl<'a> Payload<'a> {
    /// The payload of a body; `source` takes the place of an unread body that is to be streamed.
    pub fn of(
        body: &'a mut RequestBody,
        source: Option<&'a mut Box<dyn BodySource>>,
    ) -> Result<Payload<'a>, ProxyError> {
        if let Some(source) = source {
            return Ok(Payload::Streamed { source, piece: Vec::new() });
        }
        match body {
            RequestBody::Empty | RequestBody::Unread(_) | RequestBody::Taken => Ok(Payload::Empty),
            RequestBody::Memory(bytes) => Ok(Payload::Memory(bytes)),
            RequestBody::Spooled(spool) => {
                let unreadable = |e| ProxyError::Internal(format!("request body spool file: {e}"));
                spool.file.rewind().map_err(unreadable)?;
                Ok(Payload::Spooled { file: &mut spool.file, len: spool.len, left: spool.len })
            }
        }
    }

    /// The length to declare; `None` when there is no body or it goes out chunked.
    pub fn len(&self) -> Option<u64> {
        match self {
            Payload::Empty => None,
            Payload::Memory(bytes) => Some(bytes.len() as u64),
            Payload::Spooled { len, .. } => Some(*len),
            Payload::Streamed { source, .. } => source.declared_len(),
        }
    }

    /// Whether there is no body.
    pub const fn is_empty(&self) -> bool {
        matches!(self, Payload::Empty)
    }

    /// Whether it goes out chunked.
    pub fn is_chunked(&self) -> bool {
        matches!(self, Payload::Streamed { source, .. } if source.declared_len().is_none())
    }

    /// Appends the next piece, framed, to `out`; false once all is there.
    pub fn poll_append(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<bool, ProxyError>> {
        let chunked = self.is_chunked();
        match self {
            Payload::Empty => Poll::Ready(Ok(false)),
            Payload::Memory(bytes) => {
                out.extend_from_slice(bytes);
                *self = Payload::Empty;
                Poll::Ready(Ok(true))
            }
            Payload::Spooled { left: 0, .. } => Poll::Ready(Ok(false)),
            Payload::Spooled { file, left, .. } => {
                let step = (*left).min(STEP as u64);
                let read = file.take(step).read_to_end(out).unwrap_or(0) as u64;
                if read == 0 {
                    let error = "request body spool file is shorter than it was".to_owned();
                    return Poll::Ready(Err(ProxyError::Internal(error)));
                }
                *left -= read;
                Poll::Ready(Ok(true))
            }
            Payload::Streamed { source, .. } if !chunked => {
                Poll::Ready(ready!(source.poll_fill(cx, out)).map_err(ProxyError::Body))
            }
            Payload::Streamed { source, piece } => {
                piece.clear();
                let more = ready!(source.poll_fill(cx, piece))?;
                write_chunk(out, piece);
                if !more {
                    out.extend_from_slice(b"0\r\n\r\n");
                    *self = Payload::Empty;
                }
                Poll::Ready(Ok(true))
            }
        }
    }
}
