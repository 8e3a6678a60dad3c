//! Start lines.

use super::Fields;
use std::fmt;

/// The protocol version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[allow(missing_docs)] // the variants are the versions
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    /// As nginx's `$server_protocol` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    }

    /// As a number, the form of `ngx.req.http_version()`.
    pub const fn number(self) -> f64 {
        match self {
            Version::Http10 => 1.0,
            Version::Http11 => 1.1,
            Version::Http2 => 2.0,
        }
    }
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the variants are the schemes
pub enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    /// The scheme's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that the scheme implies.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A request method: a token of at most [`Method::MAX`] bytes, kept as it was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Method {
    len: u8,
    bytes: [u8; Method::MAX],
}

impl Method {
    /// The longest method taken, in bytes.
    pub const MAX: usize = 30;
    /// `GET`.
    pub const GET: Method = Method::literal(b"GET");
    /// `HEAD`.
    pub const HEAD: Method = Method::literal(b"HEAD");
    /// `POST`.
    pub const POST: Method = Method::literal(b"POST");
    /// `OPTIONS`.
    pub const OPTIONS: Method = Method::literal(b"OPTIONS");
    /// `CONNECT`.
    pub const CONNECT: Method = Method::literal(b"CONNECT");
    /// `TRACE`.
    pub const TRACE: Method = Method::literal(b"TRACE");

    /// The method that `token` spells; `None` when it is empty or too long.
    ///
    /// Whether its bytes are a token is the parser's business.
    pub fn new(token: &[u8]) -> Option<Method> {
        if token.is_empty() {
            return None;
        }
        let mut bytes = [0; Method::MAX];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Method { len: token.len() as u8, bytes })
    }

    const fn literal<const N: usize>(token: &[u8; N]) -> Method {
        let (head, _) = token.split_at(N);
        let mut bytes = [0; Method::MAX];
        let mut rest: &mut [u8] = &mut bytes;
        let mut from = head;
        while let ([byte, next_from @ ..], [slot, next @ ..]) = (from, rest) {
            *slot = *byte;
            from = next_from;
            rest = next;
        }
        Method { len: N as u8, bytes }
    }

    /// The method's token.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len as usize).unwrap_or_default()
    }

    /// Whether a request may be sent again when its fate is unknown (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.as_bytes(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl Default for Method {
    fn default() -> Self {
        Method::GET
    }
}

/// The head of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The request target as received, reduced to origin-form: path and query, undecoded.
    pub target: Vec<u8>,
    /// The protocol version.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
}

impl RequestHead {
    /// Makes the head ready for the next request, keeping its memory.
    pub fn clear(&mut self) {
        self.method = Method::GET;
        self.target.clear();
        self.version = Version::Http11;
        self.fields.clear();
    }

    /// The target up to its `?`.
    pub fn path(&self) -> &[u8] {
        self.target.split(|b| *b == b'?').next().unwrap_or_default()
    }

    /// What follows the first `?`; `None` without one, empty for a bare `?`.
    ///
    /// *Kong parity*: nginx ends it where a fragment begins, and sees none in a fragment.
    pub fn query(&self) -> Option<&[u8]> {
        let at = memchr::memchr(b'?', &self.target)?;
        let (before, query) = (self.target.get(..at)?, self.target.get(at + 1..)?);
        match memchr::memchr(b'#', &self.target) {
            None => Some(query),
            Some(_) if before.contains(&b'#') => None,
            Some(fragment) => query.get(..fragment - at - 1),
        }
    }
}

/// What stands for a reason phrase that an upstream left out.
pub const NO_REASON: &[u8] = b" ";

/// The head of a response.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The reason phrase when it is not the usual one, [`NO_REASON`] where there is none; empty otherwise.
    pub reason: Vec<u8>,
    /// The version the peer spoke.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
}

impl ResponseHead {
    /// Makes the head ready for the next response, keeping its memory.
    pub fn clear(&mut self) {
        self.status = 0;
        self.reason.clear();
        self.version = Version::Http11;
        self.fields.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_kept_as_written_up_to_its_bound() {
        assert_eq!(Method::new(b"GET"), Some(Method::GET));
        assert_eq!(Method::new(b"get").map(|m| m.as_bytes().to_vec()), Some(b"get".to_vec()));
        assert_eq!(Method::new(b""), None);
        assert_eq!(Method::new(&[b'A'; Method::MAX + 1]), None);
    }

    #[test]
    fn a_bare_question_mark_is_an_empty_query() {
        let head = RequestHead { target: b"/foo?".to_vec(), ..Default::default() };
        assert_eq!((head.path(), head.query()), (&b"/foo"[..], Some(&b""[..])));
        let head = RequestHead { target: b"/foo".to_vec(), ..Default::default() };
        assert_eq!(head.query(), None);
    }

    #[test]
    fn a_fragment_ends_the_query_and_stays_with_the_path() {
        let head = RequestHead { target: b"/a?b#c?d".to_vec(), ..Default::default() };
        assert_eq!((head.path(), head.query()), (&b"/a"[..], Some(&b"b"[..])));
        let head = RequestHead { target: b"/a#b?c".to_vec(), ..Default::default() };
        assert_eq!((head.path(), head.query()), (&b"/a#b"[..], None));
    }
}
