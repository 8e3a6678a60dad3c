//! What the client gets.

use crate::http::ResponseHead;

/// Who made a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Nobody yet.
    #[default]
    None,
    /// The upstream.
    Upstream,
    /// A plugin, or the gateway by its own rules (no route, redirect to https …).
    Exit,
    /// The gateway because something failed.
    Error,
}

impl Source {
    /// As `kong.response.get_source()` tells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Upstream => "service",
            Source::Exit => "exit",
            Source::None | Source::Error => "error",
        }
    }
}

/// The response of an exchange.
#[derive(Debug, Default)]
pub struct Response {
    /// Who made it.
    pub source: Source,
    /// Status and field lines, as the client gets them; plugins change them until they are sent.
    pub head: ResponseHead,
    /// The whole body of a response that the gateway makes, or of a buffered one.
    pub body: Vec<u8>,
    /// Whether the head is on its way and can be changed no more.
    pub head_sent: bool,
    /// The piece that `body_filter` works on.
    pub chunk: BodyChunk,
    /// Body bytes handed to the client so far, without framing: `$body_bytes_sent`.
    pub body_sent: u64,
    /// All bytes handed to the client so far: `$bytes_sent`.
    pub sent: u64,
    /// Trailer section of the upstream's response.
    pub trailers: crate::http::Fields,
}

impl Response {
    /// Forgets everything and keeps the memory.
    pub(super) fn renew(&mut self) {
        self.source = Source::None;
        self.head.clear();
        self.body.clear();
        self.head_sent = false;
        self.chunk.data.clear();
        self.chunk.eof = false;
        self.body_sent = 0;
        self.sent = 0;
        self.trailers.clear();
    }
}

/// A piece of a response body on its way through `body_filter`: `ngx.arg[1]` and `ngx.arg[2]`.
#[derive(Debug, Default)]
pub struct BodyChunk {
    /// Its bytes; filters replace them.
    pub data: Vec<u8>,
    /// Whether it is the last.
    pub eof: bool,
}
