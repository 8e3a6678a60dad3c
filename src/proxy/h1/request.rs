//! Request heads off the wire (RFC 9112, sections 2 to 5).
//!
//! httparse knows the grammar; what it lets pass and two peers could read differently is refused
//! here: bare line feeds, fields that frame twice, targets and hosts that are not what they seem.
//!
//! *Kong parity*: limits and verdicts are nginx's. A field name of letters that nginx does not take
//! (`.`, `$` …) makes its line vanish, not the request fail.

use super::head_end::{HeadEnd, bare_line_feed};
use crate::http::{Fields, Known, Method, RequestHead, Version};
use crate::proxy::ProxyError;
use httparse::{EMPTY_HEADER, Header, Request, Status};

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
/// Field lines taken at all.
const MOST_LINES: usize = 4096;

/// Reads a head from the start of `input` into `head`, and the host asked for into `host` (in lower
/// case, without port). Returns how many bytes it took; `None` while it is not complete.
///
/// *Errors*: whatever nginx refuses; the connection is to be closed after the answer.
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
    let taken = parse_lines::<USUAL_LINES>(input, head, host)?;
    let text = taken.and_then(|taken| input.get(..taken)).unwrap_or(input);
    if let Err(error) = check_lines(text, limits) {
        if matches!(error, ProxyError::UriTooLong) {
            keep_method(text, head, host);
        }
        return Err(error);
    }
    if taken.map_or(full, |taken| taken > limits.total()) {
        return Err(ProxyError::HeadTooLarge);
    }
    Ok(taken)
}

/// *Kong parity*: of a request line that is too long nginx knows the method and nothing else.
fn keep_method(text: &[u8], head: &mut RequestHead, host: &mut Vec<u8>) {
    head.clear();
    host.clear();
    let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    head.method = Method::new(word).unwrap_or_default();
}

/// Refuses lines that are too long or do not end in CRLF.
fn check_lines(text: &[u8], limits: HeadLimits) -> Result<(), ProxyError> {
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        if at - start >= limits.buffer {
            return Err(if start == 0 { ProxyError::UriTooLong } else { ProxyError::HeadTooLarge });
        }
        start = at + 1;
    }
    if bare_line_feed(text) {
        return Err(ProxyError::BadRequest("line feed without carriage return"));
    }
    Ok(())
}

fn parse_lines<const N: usize>(
    text: &[u8],
    head: &mut RequestHead,
    host: &mut Vec<u8>,
) -> Result<Option<usize>, ProxyError> {
    let mut lines = [EMPTY_HEADER; N];
    let mut request = Request::new(&mut lines);
    match request.parse(text) {
        Ok(Status::Partial) => Ok(None),
        Ok(Status::Complete(taken)) => take_head(&request, head, host).map(|()| Some(taken)),
        Err(httparse::Error::TooManyHeaders) if N < MOST_LINES => {
            // Boxed: a head of that many lines is rare, and its array large.
            let mut lines = vec![EMPTY_HEADER; MOST_LINES];
            let mut request = Request::new(&mut lines);
            match request.parse(text) {
                Ok(Status::Complete(taken)) => take_head(&request, head, host).map(|()| Some(taken)),
                Ok(Status::Partial) => Ok(None),
                Err(error) => Err(refusal(error, text)),
            }
        }
        Err(error) => Err(refusal(error, text)),
    }
}

/// What a grammar error means to the client.
fn refusal(error: httparse::Error, text: &[u8]) -> ProxyError {
    match error {
        httparse::Error::TooManyHeaders => ProxyError::HeadTooLarge,
        httparse::Error::Version => {
            let line = text.split(|b| *b == b'\r').next().unwrap_or_default();
            let version = line.rsplit(|b| *b == b' ').next().unwrap_or_default();
            match version.strip_prefix(b"HTTP/") {
                Some([b'2'..=b'9', ..]) => ProxyError::UnsupportedVersion,
                _ => ProxyError::BadRequest("invalid protocol version"),
            }
        }
        httparse::Error::Token => ProxyError::BadRequest("invalid method or request target"),
        httparse::Error::HeaderName => ProxyError::BadRequest("invalid field name"),
        httparse::Error::HeaderValue => ProxyError::BadRequest("invalid field value"),
        _ => ProxyError::BadRequest("invalid request head"),
    }
}

fn take_head(
    request: &Request<'_, '_>,
    head: &mut RequestHead,
    host: &mut Vec<u8>,
) -> Result<(), ProxyError> {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(ProxyError::BadRequest("incomplete request line"));
    };
    head.clear();
    host.clear();
    if !method.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'_' | b'-')) {
        return Err(ProxyError::BadRequest("invalid method"));
    }
    head.method = Method::new(method.as_bytes()).ok_or(ProxyError::BadRequest("method too long"))?;
    head.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    take_fields(request.headers, &mut head.fields)?;
    match head.method {
        Method::CONNECT => return Err(ProxyError::MethodNotAllowed("CONNECT")),
        Method::TRACE => return Err(ProxyError::MethodNotAllowed("TRACE")),
        _ => {}
    }
    let authority = take_target(target.as_bytes(), &mut head.target)?;
    if let Some(authority) = authority {
        // RFC 9112, section 3.2.2: the target's authority wins over the field.
        head.fields.set(b"Host", authority);
    }
    take_host(head, host)
}

/// Copies the field lines, checking names and those fields that may stand only once.
fn take_fields(lines: &[Header<'_>], fields: &mut Fields) -> Result<(), ProxyError> {
    for line in lines {
        let name = line.name.as_bytes();
        if !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            continue;
        }
        let known = Known::of(name);
        if matches!(known, Known::Host | Known::Expect | Known::Authorization) && fields.has(known) {
            return Err(ProxyError::BadRequest("duplicate field line"));
        }
        fields.append_valid(name, line.value);
    }
    Ok(())
}

/// Reduces a request target to origin-form; returns the authority of an absolute-form.
fn take_target<'a>(target: &'a [u8], origin: &mut Vec<u8>) -> Result<Option<&'a [u8]>, ProxyError> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(ProxyError::BadRequest("fragment in request target"));
    }
    if target.first() == Some(&b'/') {
        origin.extend_from_slice(target);
        return Ok(None);
    }
    let rest = strip_scheme(target).ok_or(ProxyError::BadRequest("invalid request target"))?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || authority.contains(&b'@') {
        return Err(ProxyError::BadRequest("invalid authority in request target"));
    }
    if path.first() != Some(&b'/') {
        origin.push(b'/');
    }
    origin.extend_from_slice(path);
    Ok(Some(authority))
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Takes the host out of the `Host` field.
fn take_host(head: &RequestHead, host: &mut Vec<u8>) -> Result<(), ProxyError> {
    match head.fields.known(Known::Host) {
        Some(value) => host_of(value, host).ok_or(ProxyError::BadRequest("invalid host header")),
        None if head.version == Version::Http10 => Ok(()),
        None => Err(ProxyError::BadRequest("HTTP/1.1 request without Host header")),
    }
}

/// Appends the host of an authority: in lower case, without port and trailing dot.
///
/// *Kong parity*: nginx's check, which refuses slashes, control bytes and empty labels. An empty
/// value is taken, and means no host.
pub fn host_of(authority: &[u8], host: &mut Vec<u8>) -> Option<()> {
    let name = if authority.first() == Some(&b'[') {
        let end = memchr::memchr(b']', authority)?;
        let (literal, port) = authority.split_at_checked(end + 1)?;
        if !(port.is_empty() || is_port(port)) {
            return None;
        }
        literal
    } else {
        let colon = memchr::memchr(b':', authority).unwrap_or(authority.len());
        let (name, port) = authority.split_at_checked(colon)?;
        if !(port.is_empty() || is_port(port)) {
            return None;
        }
        name.strip_suffix(b".").unwrap_or(name)
    };
    let mut last = 0;
    for byte in name {
        if matches!(byte, 0..=b' ' | 0x7f | b'/' | b'@' | b',') || (*byte == b'.' && last == b'.') {
            return None;
        }
        last = *byte;
    }
    host.extend(name.iter().map(u8::to_ascii_lowercase));
    Some(())
}

/// Whether this is a colon and a port, which may be missing.
fn is_port(text: &[u8]) -> bool {
    matches!(text, [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit))
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
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.2x\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET /\r\n\r\n", 400),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
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
        let some = "X: 1\r\n".repeat(500);
        let (head, _) = parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{some}\r\n")).unwrap().unwrap();
        assert_eq!(head.fields.len(), 501);
    }

    #[test]
    fn an_absolute_target_overrules_the_host_field() {
        let (head, host) = parsed("GET HTTP://A.test:81?q HTTP/1.1\r\nHost: b\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.target.as_slice(), host.as_str()), (&b"/?q"[..], "a.test"));
        assert_eq!(head.fields.known(Known::Host), Some(&b"A.test:81"[..]));
    }

    #[test]
    fn hosts_are_taken_without_port_dot_and_case() {
        for (authority, expected) in [
            ("A.b", Some("a.b")),
            ("a.b.", Some("a.b")),
            ("a:8000", Some("a")),
            ("a:", Some("a")),
            ("[::1]:80", Some("[::1]")),
            ("", Some("")),
            ("a_b", Some("a_b")),
            ("[::1", None),
            ("[::1]x", None),
            ("a:b", None),
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
