//! Messages as our codec reads them.

use kong::http::{Fields, Method, RequestHead, ResponseHead};
use kong::proxy::h1::request::{self, HeadLimits};
use kong::proxy::h1::{Framing, HeadEnd, Incoming, Piece, response};

/// A message that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The method of a request, the status of a response.
    pub start: String,
    /// Field lines in order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// After the last byte of a message.
    Clean,
    /// Within a message.
    Partial,
    /// At something we refuse.
    Refused,
}

/// Reads pipelined requests. Each look at the input sees `step` bytes more.
pub fn requests(input: &[u8], step: usize) -> (Vec<Message>, End) {
    let mut rest = input;
    let mut read = Vec::new();
    while !rest.is_empty() {
        let (mut head, mut host) = (RequestHead::default(), Vec::new());
        let mut end = HeadEnd::default();
        let taken = grow(rest.len(), step, |seen| {
            request::parse(&rest[..seen], &mut end, HeadLimits::default(), &mut head, &mut host)
        });
        let taken = match taken {
            Ok(Some(taken)) => taken,
            Ok(None) => return (read, End::Partial),
            Err(_) => return (read, End::Refused),
        };
        let Ok(framing) = Framing::of_request(head.version, &head.fields) else {
            return (read, End::Refused);
        };
        let (body, after) = match body(framing, &rest[taken..], step) {
            Ok(found) => found,
            Err(end) => return (read, end),
        };
        let start = String::from_utf8_lossy(head.method.as_bytes()).into_owned();
        read.push(Message { start, fields: lines(&head.fields), body });
        rest = &rest[taken + after..];
    }
    (read, End::Clean)
}

/// Reads the response to a request with `method`, passing over interim ones.
pub fn answer(input: &[u8], method: Method, step: usize) -> Result<Message, End> {
    let mut rest = input;
    loop {
        let mut head = ResponseHead::default();
        let mut end = HeadEnd::default();
        let taken = grow(rest.len(), step, |seen| response::parse(&rest[..seen], 4096, &mut end, &mut head));
        let taken = taken.map_err(|_| End::Refused)?.ok_or(End::Partial)?;
        rest = &rest[taken..];
        let framing = Framing::of_response(method, head.status, head.version, &head.fields)
            .map_err(|_| End::Refused)?;
        if matches!(head.status, 100 | 102..=199) {
            continue;
        }
        let (body, _) = body(framing, rest, step)?;
        return Ok(Message { start: head.status.to_string(), fields: lines(&head.fields), body });
    }
}

/// Calls `look` with 0 + `step`, 2 × `step` … up to `len` bytes until it has an answer.
fn grow<T, E>(
    len: usize,
    step: usize,
    mut look: impl FnMut(usize) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut seen = 0;
    while seen < len {
        seen = len.min(seen + step);
        if let Some(found) = look(seen)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The body at the start of `input` and the bytes it takes.
fn body(framing: Framing, input: &[u8], step: usize) -> Result<(Vec<u8>, usize), End> {
    let mut incoming = Incoming::new(framing);
    let (mut at, mut seen) = (0, 0);
    let mut body = Vec::new();
    loop {
        match incoming.next(&input[at..seen]).map_err(|_| End::Refused)? {
            Piece::Data { skip, len } => {
                assert!(len > 0, "a piece without data");
                body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Piece::End { skip } => return Ok((body, at + skip)),
            Piece::More if seen < input.len() => {
                at = seen;
                seen = input.len().min(seen + step);
            }
            Piece::More if framing == Framing::UntilClose => return Ok((body, input.len())),
            Piece::More => return Err(End::Partial),
        }
    }
}

fn lines(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}
