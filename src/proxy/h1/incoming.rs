//! A message body on its way in.

use super::{ChunkDecoder, Framing, Malformed, Piece};

/// What is left to read of a message body.
#[derive(Debug)]
pub enum Incoming {
    /// Nothing.
    Done,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Box<ChunkDecoder>),
    /// Whatever comes until the connection is closed.
    UntilClose,
}

impl Incoming {
    /// All of a body framed so.
    pub fn new(framing: Framing) -> Incoming {
        match framing {
            Framing::None | Framing::Length(0) => Incoming::Done,
            Framing::Length(length) => Incoming::Length(length),
            Framing::Chunked => Incoming::Chunked(Box::default()),
            Framing::UntilClose => Incoming::UntilClose,
        }
    }

    /// Whether the body has been read to its end.
    pub const fn is_done(&self) -> bool {
        matches!(self, Incoming::Done)
    }

    /// Tells what comes next in `input`. Data so named count as read.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        match self {
            Incoming::Done => Ok(Piece::End { skip: 0 }),
            Incoming::Length(left) => {
                let len = (*left).min(input.len() as u64);
                *left -= len;
                if *left == 0 {
                    *self = Incoming::Done;
                }
                Ok(if len == 0 { Piece::More } else { Piece::Data { skip: 0, len: len as usize } })
            }
            Incoming::UntilClose if input.is_empty() => Ok(Piece::More),
            Incoming::UntilClose => Ok(Piece::Data { skip: 0, len: input.len() }),
            Incoming::Chunked(decoder) => decoder.next(input),
        }
    }

    /// Takes note of the end: of a chunked body whose [`Piece::End`] was seen, or of the connection.
    ///
    /// Returns the lines of the trailer section.
    pub fn finish(&mut self) -> Vec<u8> {
        match std::mem::replace(self, Incoming::Done) {
            Incoming::Chunked(decoder) => decoder.trailers().to_vec(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_delimited_body_ends_where_it_says() {
        let mut body = Incoming::new(Framing::Length(5));
        assert_eq!(body.next(b""), Ok(Piece::More));
        assert_eq!(body.next(b"abc"), Ok(Piece::Data { skip: 0, len: 3 }));
        assert_eq!(body.next(b"deGET /"), Ok(Piece::Data { skip: 0, len: 2 }));
        assert!(body.is_done());
        assert_eq!(body.next(b"GET /"), Ok(Piece::End { skip: 0 }));
    }
}
