//! Request heads off the wire (RFC 9112, sections 2 to 5).
//!
//! httparse reads the heads that clients send in practice. Whatever it refuses or reads otherwise than
//! nginx goes through [`lenient`]: the verdict there is nginx's, byte for byte, since whoever moves
//! here has clients that nginx took.
//!
//! *Kong parity*: limits and verdicts are nginx's. A field name of letters that nginx does not take
//! (`.`, `$` …) makes its line vanish, not the request fail.

use super::head_end::{HeadEnd, bare_line_feed};
use super::lenient;
use crate::http::{Fields, Known, Method, RequestHead, Version, nginx_uri};
use crate::proxy::ProxyError;
use httparse::{EMPTY_HEADER, Request, Status};

/// Bounds on a request head: nginx's `large_client_header_buffers`.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Most buffers.
    pub buffers: usize,
    /// Bytes in one: the longest request line, and the longest field line.
    pub buffer: usize,
}

impl HeadLimits {
    /// Bytes in a head.
    pub const fn total(&self) -> usize {
        self.buffers * self.buffer
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits { buffers: 4, buffer: 8 * 1024 }
    }
}

/// Field lines that fit without a heap allocation.
const USUAL_LINES: usize = 64;
/// Field lines taken at all. *Kong parity*: the bound of Kong's nginx.
pub(super) const MOST_LINES: usize = 1000;

/// Reads a head from the start of `input` into `head`, and the host asked for into `host` (in lower
/// case, without port). Returns how many bytes it took; `None` while it is not complete.
///
/// *Errors*: whatever nginx refuses; the connection is to be closed after the answer. `head` then holds
/// what came before the fault.
pub fn parse(
    input: &[u8],
    end: &mut HeadEnd,
    limits: HeadLimits,
    head: &mut RequestHead,
    host: &mut Vec<u8>,
) -> Result<Option<usize>, ProxyError> {
    let full = input.len() >= limits.total();
    if !end.is_due(input) && !full {
        return Ok(None);
    }
    if let Some(taken) = parse_usual(input, limits, head, host) {
        return Ok(Some(taken));
    }
    match lenient::parse(input, limits, head, host)? {
        Some(taken) if taken <= limits.total() => Ok(Some(taken)),
        None if !full => Ok(None),
        _ => Err(ProxyError::HeadTooLarge),
    }
}

/// Reads a complete head about which nobody disagrees; `None` for any other.
fn parse_usual(
    input: &[u8],
    limits: HeadLimits,
    head: &mut RequestHead,
    host: &mut Vec<u8>,
) -> Option<usize> {
    let mut lines = [EMPTY_HEADER; USUAL_LINES];
    let mut request = Request::new(&mut lines);
    let Ok(Status::Complete(taken)) = request.parse(input) else { return None };
    let text = input.get(..taken)?;
    // nginx does not take a tab for white space around a value.
    let plain = taken <= limits.total() && memchr::memchr(b'\t', text).is_none() && !bare_line_feed(text);
    (plain && lines_fit(text, limits.buffer) && take_head(&request, head, host).is_some()).then_some(taken)
}

/// Whether every line is short enough.
fn lines_fit(text: &[u8], most: usize) -> bool {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).all(|at| {
        let fits = at - start < most;
        start = at + 1;
        fits
    })
}

fn take_head(request: &Request<'_, '_>, head: &mut RequestHead, host: &mut Vec<u8>) -> Option<()> {
    let (method, target, minor) = (request.method?, request.path?, request.version?);
    if !target.starts_with('/') || !method.bytes().all(is_method_byte) {
        return None;
    }
    nginx_uri::decode(target.split('?').next()?.as_bytes()).ok()?;
    head.clear();
    host.clear();
    head.method = Method::new(method.as_bytes())?;
    head.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    head.target.extend_from_slice(target.as_bytes());
    for line in &*request.headers {
        take_field(line.name.as_bytes(), line.value, &mut head.fields, host).ok()?;
    }
    check_host(head).ok()
}

/// Whether a method may hold this byte.
pub(in crate::proxy) fn is_method_byte(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'_' | b'-')
}

/// Adds a field line, unless its name is one that nginx drops. The host asked for becomes known with its line.
///
/// *Errors*: a second line of a field that stands once, or a host that is none.
pub(super) fn take_field(
    name: &[u8],
    value: &[u8],
    fields: &mut Fields,
    host: &mut Vec<u8>,
) -> Result<(), ProxyError> {
    if !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Ok(());
    }
    let known = Known::of(name);
    if is_single(known, name) && fields.value(name).is_some() {
        return Err(ProxyError::BadRequest("duplicate field line"));
    }
    fields.append_known(known, name, value);
    if known == Known::Host {
        let from_target = host.len();
        host_of(value, host).ok_or(ProxyError::BadRequest("invalid host header"))?;
        if from_target > 0 {
            host.truncate(from_target);
        }
    }
    Ok(())
}

/// Whether nginx takes one line of a field at most.
fn is_single(known: Known, name: &[u8]) -> bool {
    use Known::*;
    const CONDITIONS: [&[u8]; 6] = [
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-match",
        b"if-none-match",
        b"if-range",
        b"content-range",
    ];
    match known {
        Host | Expect | Authorization | ContentLength | TransferEncoding => true,
        Other if matches!(name.first(), Some(b'i' | b'I' | b'c' | b'C')) => {
            CONDITIONS.iter().any(|single| single.eq_ignore_ascii_case(name))
        }
        _ => false,
    }
}

/// Refuses a head that must name its host and does not.
pub(in crate::proxy) fn check_host(head: &RequestHead) -> Result<(), ProxyError> {
    match head.version == Version::Http10 || head.fields.has(Known::Host) {
        true => Ok(()),
        false => Err(ProxyError::BadRequest("HTTP/1.1 request without Host header")),
    }
}

/// Appends the host of an authority: in lower case, without port and trailing dot.
///
/// *Kong parity*: nginx's check, which refuses slashes, control bytes, empty labels and an empty name, and
/// lets pass what else follows a colon.
pub fn host_of(authority: &[u8], host: &mut Vec<u8>) -> Option<()> {
    let is_refused = |byte: &u8| matches!(byte, 0..=b' ' | 0x7f | b'/');
    if authority.iter().any(is_refused) || authority.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    let end = match authority.first() {
        Some(b'[') => memchr::memchr(b']', authority).map_or(authority.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', authority).unwrap_or(authority.len()),
    };
    let name = authority.get(..end)?;
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    host.extend(name.iter().map(u8::to_ascii_lowercase));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<(RequestHead, String)>, u16> {
        let (mut head, mut host) = (RequestHead::default(), Vec::new());
        let taken =
            parse(text.as_bytes(), &mut HeadEnd::default(), HeadLimits::default(), &mut head, &mut host)
                .map_err(|e| e.status())?;
        Ok(taken.map(|_| (head, String::from_utf8(host).unwrap())))
    }

    #[test]
    fn of_a_target_that_is_too_long_only_the_method_is_known() {
        let long = "a".repeat(10_000);
        for text in [format!("POST /{long}"), format!("POST /{long} HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n")] {
            let (mut head, mut host) = (RequestHead::default(), Vec::new());
            let limits = HeadLimits::default();
            let parsed = parse(text.as_bytes(), &mut HeadEnd::default(), limits, &mut head, &mut host);
            assert_eq!(parsed.unwrap_err().status(), 414);
            assert_eq!((head.method.as_bytes(), head.target.len()), (&b"POST"[..], 0));
            assert!(head.fields.is_empty() && host.is_empty());
        }
    }

    #[test]
    fn a_head_is_kept_as_it_was_sent() {
        let text =
            "GET /a%20b?x=1 HTTP/1.1\r\nHost: Example.COM:8000\r\nX-One:  1 \r\nx-one: 2\r\nX:\r\n\r\nrest";
        let (mut head, mut host) = (RequestHead::default(), Vec::new());
        let taken =
            parse(text.as_bytes(), &mut HeadEnd::default(), HeadLimits::default(), &mut head, &mut host);
        assert_eq!(taken.unwrap(), Some(text.len() - 4));
        assert_eq!((head.target.as_slice(), host.as_slice()), (&b"/a%20b?x=1"[..], &b"example.com"[..]));
        let mut out = Vec::new();
        head.fields.write_to(&mut out);
        assert_eq!(out, b"Host: Example.COM:8000\r\nX-One: 1\r\nx-one: 2\r\nX: \r\n");
    }

    #[test]
    fn the_verdict_on_a_head_is_the_same_however_it_arrives() {
        let text = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        let mut end = HeadEnd::default();
        let (mut head, mut host) = (RequestHead::default(), Vec::new());
        for at in 1..text.len() {
            let piece = &text.as_bytes()[..at];
            assert_eq!(parse(piece, &mut end, HeadLimits::default(), &mut head, &mut host).unwrap(), None);
        }
        let whole = parse(text.as_bytes(), &mut end, HeadLimits::default(), &mut head, &mut host).unwrap();
        assert_eq!(whole, Some(text.len()));
    }

    #[test]
    fn refusals_are_those_of_the_table() {
        let table: &[(&str, u16)] = &[
            ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: a\r\nIf-None-Match: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\t\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: .\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /../ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.2x\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1000\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/11.1\r\nHost: a\r\n\r\n", 505),
            ("GET /\r\n\r\n", 400),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET http://a_b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("\x16\x03\x01\x02", 400),
        ];
        for (text, status) in table {
            assert_eq!(parsed(text).map(|_| ()), Err(*status), "{text:?}");
        }
    }

    #[test]
    fn heads_over_the_limits_are_refused_before_they_are_complete() {
        let long = "x".repeat(9000);
        assert_eq!(parsed(&format!("GET /{long}")).unwrap_err(), 414);
        assert_eq!(parsed(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap_err(), 414);
        assert_eq!(parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).unwrap_err(), 494);
        let many = "X: 0123456789\r\n".repeat(2500);
        assert_eq!(parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}")).unwrap_err(), 494);
        let many = "X: 1\r\n".repeat(1000);
        assert_eq!(parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).unwrap_err(), 494);
        let some = "X: 1\r\n".repeat(500);
        let (head, _) = parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{some}\r\n")).unwrap().unwrap();
        assert_eq!(head.fields.len(), 501);
    }

    #[test]
    fn the_authority_of_an_absolute_target_is_the_host_and_leaves_the_field_alone() {
        let (head, host) = parsed("GET HTTP://A.test:81?q HTTP/1.1\r\nHost: b\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.target.as_slice(), host.as_str()), (&b"/?q"[..], "a.test"));
        assert_eq!(head.fields.known(Known::Host), Some(&b"b"[..]));
        for (target, expected) in [
            ("http://[::1]:80/x", "[::1]"),
            ("ftp://a./x", "a"),
            ("h2c://a:/x", "a"),
            ("http://.a:99999/x", ".a"),
        ] {
            let (_, host) = parsed(&format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n")).unwrap().unwrap();
            assert_eq!(host, expected);
        }
    }

    #[test]
    fn what_nginx_takes_is_taken() {
        let fields = |lines: &str| {
            let (head, _) = parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).unwrap().unwrap();
            let mut out = Vec::new();
            head.fields.write_to(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        for (lines, kept) in [
            ("X: b\n", "X: b\r\n"),
            ("X\r\n", "X: \r\n"),
            ("X: \t b \t\r\n", "X: \t b \t\r\n"),
            ("X: b \r\r\r\n", "X: b\r\n"),
            ("X: \x01\x7f\r\n", "X: \x01\x7f\r\n"),
            ("X(: b\r\nY: c\r\n", "Y: c\r\n"),
            ("X@Y: b\r\n\u{e9}: b\r\n", ""),
        ] {
            assert_eq!(fields(lines), format!("Host: a\r\n{kept}"), "{lines:?}");
        }
        for text in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  /  HTTP/1.1  \r\nHost: a\r\n\r\n",
            "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
            "GET /\u{fc}?\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a#b?c HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:b:c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a,b@c\r\n\r\n",
        ] {
            assert!(parsed(text).unwrap().is_some(), "{text:?}");
        }
    }

    #[test]
    fn of_a_head_that_is_refused_is_known_what_came_before_the_fault() {
        let accept = |text: &str| {
            let (mut head, mut host) = (RequestHead::default(), Vec::new());
            let limits = HeadLimits::default();
            let error = parse(text.as_bytes(), &mut HeadEnd::default(), limits, &mut head, &mut host);
            (error.unwrap_err().status(), head.fields.has(Known::Accept))
        };
        let long = "a".repeat(9000);
        let accepted = "Accept: text/html\r\n";
        for (text, expected) in [
            (format!("GET / HTTP/1.1\r\n{accepted}Host: a/b\r\n\r\n"), (400, true)),
            (format!("GET / HTTP/1.1\r\nHost: a/b\r\n{accepted}\r\n"), (400, false)),
            (format!("GET / HTTP/1.1\r\n{accepted}X: {long}\r\n\r\n"), (494, true)),
            (format!("GET / HTTP/1.1\r\nX: {long}\r\n{accepted}\r\n"), (494, false)),
            (format!("GET /%zz HTTP/1.1\r\n{accepted}Host: a\r\n\r\n"), (400, false)),
            (format!("GET / HTTP/1.1\r\n{accepted}\r\n"), (400, true)),
        ] {
            assert_eq!(accept(&text), expected, "{text:.60}");
        }
    }

    #[test]
    fn hosts_are_taken_without_port_dot_and_case() {
        for (authority, expected) in [
            ("A.b", Some("a.b")),
            ("a.b.", Some("a.b")),
            ("a:8000", Some("a")),
            ("a:", Some("a")),
            ("[::1]:80", Some("[::1]")),
            ("a_b", Some("a_b")),
            ("[::1", Some("[::1")),
            ("[::1]x", Some("[::1]")),
            ("a:b", Some("a")),
            ("a:8000.", Some("a")),
            ("", None),
            (".", None),
            ("a..", None),
            ("a:b..", None),
        ] {
            let mut host = Vec::new();
            let found = host_of(authority.as_bytes(), &mut host).map(|()| host);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{authority}");
        }
    }

    #[test]
    fn field_names_that_nginx_does_not_take_vanish() {
        let (head, _) = parsed("GET / HTTP/1.1\r\nHost: a\r\nX.Y: 1\r\nx_y: 2\r\n\r\n").unwrap().unwrap();
        assert_eq!(head.fields.len(), 2);
        assert_eq!(head.fields.value(b"x_y"), Some(&b"2"[..]));
    }

    #[test]
    fn an_old_client_may_leave_the_host_out() {
        let (head, host) = parsed("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.version, host.as_str()), (Version::Http10, ""));
    }
}
