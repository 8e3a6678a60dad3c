//! The chunked transfer coding (RFC 9112, section 7.1), decoded where it lies.

/// Extension bytes taken in one body; they carry nothing that we pass on.
const EXTENSIONS_MAX: u32 = 16 * 1024;
/// Trailer section bytes taken.
const TRAILERS_MAX: usize = 8 * 1024;
/// Hexadecimal digits in a chunk size.
const DIGITS_MAX: u8 = 15;

/// Decodes a chunked body piece by piece, byte-exact about where it ends.
///
/// A size has 1 to 15 hexadecimal digits, white space stands only after it, extensions and trailers are
/// bounded and free of control bytes.
///
/// *Kong parity*: lines may end in a line feed alone, as nginx takes them. What goes on is framed anew.
#[derive(Debug, Clone)]
pub struct ChunkDecoder {
    state: State,
    /// Data bytes still to come in this chunk.
    left: u64,
    digits: u8,
    extensions: u32,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// The body breaks the coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What a stretch of input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// `skip` bytes of framing, then `len` bytes of data.
    Data {
        /// Bytes before the data.
        skip: usize,
        /// Bytes of data, at least one.
        len: usize,
    },
    /// Framing only, all of the input; more must come.
    More,
    /// The body is over after that many bytes.
    End {
        /// Bytes that still belong to the body's framing.
        skip: usize,
    },
}

impl ChunkDecoder {
    /// A decoder at the start of a body.
    pub const fn new() -> ChunkDecoder {
        ChunkDecoder { state: State::Size, left: 0, digits: 0, extensions: 0, trailers: Vec::new() }
    }

    /// The lines of the trailer section, with their line ends; complete after [`Piece::End`].
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Tells what comes next in `input`, which continues where the last piece ended.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        let mut at = 0;
        while self.state != State::Done {
            if self.state == State::Data {
                let len = self.left.min((input.len() - at) as u64);
                if len == 0 {
                    return Ok(Piece::More);
                }
                self.left -= len;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Piece::Data { skip: at, len: len as usize });
            }
            let Some(&byte) = input.get(at) else { return Ok(Piece::More) };
            self.state = self.framing(byte)?;
            at += 1;
        }
        Ok(Piece::End { skip: at })
    }

    /// The state after one byte of framing.
    fn framing(&mut self, byte: u8) -> Result<State, Malformed> {
        use State::*;
        match (self.state, byte) {
            (Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (Size | SizeSpace | Extension, b'\r') if self.digits > 0 => Ok(SizeLf),
            (Size | SizeSpace | Extension, b'\n') if self.digits > 0 => Ok(self.size_over()),
            (Size | SizeSpace, b';') if self.digits > 0 => Ok(Extension),
            (Size | SizeSpace, b' ' | b'\t') if self.digits > 0 => self.extension(SizeSpace),
            (Extension, b'\t' | b' '..=b'~' | 0x80..) => self.extension(Extension),
            (SizeLf, b'\n') => Ok(self.size_over()),
            (DataCr, b'\r') => Ok(DataLf),
            (DataCr | DataLf, b'\n') => {
                self.digits = 0;
                Ok(Size)
            }
            (TrailerStart, b'\r') => Ok(EndLf),
            (TrailerStart | EndLf, b'\n') => Ok(Done),
            (TrailerStart, b' ' | b'\t') => Err(Malformed),
            (TrailerStart | Trailer, b'\t' | b' '..=b'~' | 0x80..) => self.trailer(byte, Trailer),
            (Trailer, b'\r') => self.trailer(byte, TrailerLf),
            (Trailer, b'\n') => self.trailer(b'\r', Trailer).and_then(|_| self.trailer(byte, TrailerStart)),
            (TrailerLf, b'\n') => self.trailer(byte, TrailerStart),
            _ => Err(Malformed),
        }
    }

    /// What follows the line of a size.
    const fn size_over(&self) -> State {
        if self.left == 0 { State::TrailerStart } else { State::Data }
    }

    fn digit(&mut self, byte: u8) -> Result<State, Malformed> {
        self.digits += 1;
        if self.digits > DIGITS_MAX {
            return Err(Malformed);
        }
        let value = (byte as char).to_digit(16).ok_or(Malformed)?;
        self.left = self.left * 16 + u64::from(value);
        Ok(State::Size)
    }

    fn extension(&mut self, next: State) -> Result<State, Malformed> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS_MAX { Err(Malformed) } else { Ok(next) }
    }

    fn trailer(&mut self, byte: u8, next: State) -> Result<State, Malformed> {
        if self.trailers.len() >= TRAILERS_MAX {
            return Err(Malformed);
        }
        self.trailers.push(byte);
        Ok(next)
    }
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        ChunkDecoder::new()
    }
}

/// Writes `data` as one chunk; nothing for no data, since an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    write_size(out, data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

fn write_size(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for nibble in (0..nibbles).rev() {
        out.push(*DIGITS.get(size >> (4 * nibble) & 15).unwrap_or(&b'0'));
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and how many bytes it took, or `None` when malformed; fed in steps of `step` bytes.
    fn decode(input: &[u8], step: usize) -> Option<(Vec<u8>, usize, Vec<u8>)> {
        let mut decoder = ChunkDecoder::new();
        let mut body = Vec::new();
        let mut at = 0;
        let mut end = step.min(input.len());
        loop {
            match decoder.next(&input[at..end]).ok()? {
                Piece::Data { skip, len } => {
                    body.extend_from_slice(&input[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Piece::More => {
                    at = end;
                    if end == input.len() {
                        return Some((body, usize::MAX, vec![]));
                    }
                    end = (end + step).min(input.len());
                }
                Piece::End { skip } => return Some((body, at + skip, decoder.trailers().to_vec())),
            }
        }
    }

    #[test]
    fn a_body_decodes_the_same_in_one_piece_and_byte_by_byte() {
        let input = b"5\r\nhello\r\n10;name=\"v\"\r\n0123456789abcdef\r\n0\r\nX: 1\r\nY: 2\r\n\r\nGET /";
        for step in [1, 2, 3, 7, 100] {
            let (body, taken, trailers) = decode(input, step).unwrap();
            assert_eq!(body, b"hello0123456789abcdef", "step {step}");
            assert_eq!(&input[taken..], b"GET /");
            assert_eq!(trailers, b"X: 1\r\nY: 2\r\n");
        }
    }

    #[test]
    fn everything_that_two_peers_could_read_differently_is_refused() {
        let refused: &[&[u8]] = &[
            b"\r\n",
            b"5\r\nhelloX",
            b"5\r\nhello\r5",
            b"+5\r\nhello\r\n",
            b"-1\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"5;a\nb\r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"5;\0\r\nhello\r\n",
            b";a\r\n",
            b"G\r\n",
            b"1000000000000000\r\n",
            b"0\r\n X: folded\r\n\r\n",
            b"0\r\nX: \x01\r\n\r\n",
            b"0\r\n\rX",
        ];
        for input in refused {
            assert_eq!(decode(input, 1), None, "{:?}", String::from_utf8_lossy(input));
            assert_eq!(decode(input, 100), None, "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn line_feeds_alone_and_spaces_after_a_size_are_taken_as_nginx_takes_them() {
        for input in
            [&b"5\nhello\n0\n\n"[..], b"5 \r\nhello\r\n0\t\r\n\r\n", b"5;a\nhello\r\n0\r\nX: 1\n\r\n"]
        {
            for step in [1, 100] {
                let (body, taken, _) = decode(input, step).unwrap();
                assert_eq!((body.as_slice(), taken), (&b"hello"[..], input.len()), "{input:?}");
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let mut long = b"5;".to_vec();
        long.resize(EXTENSIONS_MAX as usize + 10, b'x');
        assert_eq!(decode(&long, 4096), None);
        let mut long = b"0\r\nX: ".to_vec();
        long.resize(TRAILERS_MAX + 10, b'x');
        assert_eq!(decode(&long, 4096), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        for len in [1, 15, 16, 17, 255, 256, 4096, 65_537] {
            let data = vec![b'x'; len];
            let mut out = Vec::new();
            write_chunk(&mut out, &data);
            write_chunk(&mut out, b"");
            out.extend_from_slice(b"0\r\n\r\n");
            assert_eq!(decode(&out, 1000).unwrap(), (data, out.len(), vec![]));
        }
    }
}
