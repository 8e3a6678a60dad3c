//! What the client gets.

use crate::http::{Fields, Known, ResponseHead};

/// Who made a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Nobody yet.
    #[default]
    None,
    /// The upstream.
    Upstream,
    /// A plugin by `kong.response`, or the gateway by its own rules (no route, redirect to https …).
    Exit,
    /// A plugin by `ngx.exit`, `ngx.say` and their like.
    Script,
    /// The gateway because something failed.
    Error,
}

impl Source {
    /// As `kong.response.get_source()` tells it.
    ///
    /// *Kong parity*: it knows only of responses made by functions of `kong.response`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Upstream => "service",
            Source::Exit => "exit",
            Source::None | Source::Script | Source::Error => "error",
        }
    }
}

/// The response of an exchange.
#[derive(Debug, Default)]
pub struct Response {
    /// Whether this tells that a plugin threw.
    pub is_unexpected: bool,
    /// Whether `ngx.exit` ended the request with an error before anything was written: nginx's page for
    /// the status becomes the body.
    pub wants_page: bool,
    /// Whether `ngx.exit` in `header_filter` put a response without a body in the place of this one.
    pub is_replaced: bool,
    /// Whether Lua code has the client's connection and speaks on it itself.
    pub is_raw: bool,
    /// Whether the body is a page of nginx's own.
    pub is_page: bool,
    /// Who made it.
    pub source: Source,
    /// Status and field lines, as the client gets them; plugins change them until they are sent.
    pub head: ResponseHead,
    /// Field lines that plugins set before the upstream answered; they go in front of the upstream's.
    pub early: Fields,
    /// The whole body of a response that the gateway makes, or of a buffered one.
    pub body: Vec<u8>,
    /// Where pieces of that body begin that Lua code wrote one after the other: filters see each of them. The first
    /// is left out.
    pub pieces: Vec<usize>,
    /// Whether head and body have begun to be written by Lua code, which fixes the head for that code.
    pub begun: bool,
    /// Whether Lua code said that nothing follows (`ngx.eof`).
    pub ended: bool,
    /// Whether somebody passes on what Lua code of this phase writes while it waits.
    pub streams: bool,
    /// Whether the whole response was queued before the phase of the code that made it was over.
    pub is_over: bool,
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

/// Fields that a response has once: the upstream's line replaces a plugin's.
const SINGLE: [Known; 6] = [
    Known::ContentType,
    Known::ContentLength,
    Known::Date,
    Known::Server,
    Known::Location,
    Known::TransferEncoding,
];

impl Response {
    /// Keeps the field lines set so far for [`Response::restore_early`], so that the head is free for
    /// what the upstream answers.
    pub fn set_early_aside(&mut self) {
        self.early.clear();
        std::mem::swap(&mut self.early, &mut self.head.fields);
    }

    /// Puts the lines set aside in front of those that have come since.
    ///
    /// *Kong parity*: both lines go out when plugin and upstream set the same field.
    /// *Cost*: nothing when no plugin set a field.
    pub fn restore_early(&mut self) {
        if self.early.is_empty() {
            return;
        }
        for known in SINGLE {
            if self.head.fields.has(known) {
                self.early.remove_known(known);
            }
        }
        for (name, value) in self.head.fields.iter() {
            self.early.append_valid(name, value);
        }
        std::mem::swap(&mut self.early, &mut self.head.fields);
        self.early.clear();
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn renew(&mut self) {
        // Every field is named: one that were left out would reach the next request.
        let Response {
            is_unexpected,
            wants_page,
            is_replaced,
            is_raw,
            is_page,
            source,
            head,
            early,
            body,
            pieces,
            begun,
            ended,
            streams,
            is_over,
            head_sent,
            chunk,
            body_sent,
            sent,
            trailers,
        } = self;
        let BodyChunk { data, eof, over } = chunk;
        for flag in [
            is_unexpected,
            wants_page,
            is_replaced,
            is_raw,
            is_page,
            begun,
            ended,
            streams,
            is_over,
            head_sent,
            eof,
            over,
        ] {
            *flag = false;
        }
        *source = Source::None;
        (*body_sent, *sent) = (0, 0);
        head.clear();
        for fields in [early, trailers] {
            fields.clear();
        }
        pieces.clear();
        for bytes in [body, data] {
            bytes.clear();
        }
    }
}

/// A piece of a response body on its way through `body_filter`: `ngx.arg[1]` and `ngx.arg[2]`.
#[derive(Debug, Default)]
pub struct BodyChunk {
    /// Its bytes; filters replace them.
    pub data: Vec<u8>,
    /// Whether it is the last.
    pub eof: bool,
    /// Whether the last one was let through: nothing comes after it.
    pub over: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_set_early_come_first_and_give_way_where_a_field_stands_once() {
        let mut response = Response::default();
        response.head.fields.append(b"X-A", b"plugin");
        response.head.fields.append(b"Content-Type", b"text/plain");
        response.set_early_aside();
        assert!(response.head.fields.is_empty());
        response.head.fields.append(b"Content-Type", b"text/html");
        response.head.fields.append(b"X-A", b"upstream");
        response.restore_early();
        let lines: Vec<_> = response.head.fields.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        let line = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(
            lines,
            [line("X-A", "plugin"), line("Content-Type", "text/html"), line("X-A", "upstream")]
        );
    }
    #[test]
    fn a_renewed_response_knows_nothing_of_the_one_before() {
        let mut response = Response {
            is_unexpected: true,
            wants_page: true,
            source: Source::Error,
            begun: true,
            ended: true,
            streams: true,
            is_over: true,
            head_sent: true,
            body: b"body".to_vec(),
            pieces: vec![2],
            body_sent: 4,
            sent: 9,
            ..Response::default()
        };
        response.head.status = 500;
        response.head.fields.append(b"X-A", b"1");
        response.trailers.append(b"X-B", b"2");
        response.chunk = BodyChunk { data: b"piece".to_vec(), eof: true, over: true };
        response.set_early_aside();
        response.renew();
        assert_eq!(format!("{response:?}"), format!("{:?}", Response::default()));
    }
}
