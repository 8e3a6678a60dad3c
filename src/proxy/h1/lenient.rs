//! Request heads as nginx reads them, where that is more or other than RFC 9112 has.
//!
//! A head comes here when httparse does not take it. Lines may end in a line feed alone, fields may lack
//! their colon, values may hold control bytes, words of the request line may stand apart: what goes
//! upstream is written anew, so none of it travels on. The order of the checks decides what an error
//! page knows of the client's `Accept`; it is nginx's.

use super::request::{HeadLimits, MOST_LINES, check_host, host_of, is_method_byte, take_field};
use crate::http::{Method, RequestHead, Version, nginx_uri};
use crate::proxy::ProxyError;

/// Reads a head from the start of `input`, as [`super::request::parse`] does.
pub(super) fn parse(
    input: &[u8],
    limits: HeadLimits,
    head: &mut RequestHead,
    host: &mut Vec<u8>,
) -> Result<Option<usize>, ProxyError> {
    head.clear();
    host.clear();
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
    let mut rest = input.get(start..).unwrap_or_default();
    let Some(line) = next_line(&mut rest, limits, ProxyError::UriTooLong).inspect_err(|_| {
        // Of a request line that is too long nginx knows the method and nothing else.
        let word = input.get(start..).and_then(|line| line.split(|byte| *byte == b' ').next());
        head.method = word.and_then(Method::new).unwrap_or_default();
    })?
    else {
        return check_beginning(rest).map(|()| None);
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    take_request_line(line, head, host)?;
    let mut lines = 0;
    loop {
        let Some(line) = next_line(&mut rest, limits, ProxyError::HeadTooLarge)? else { return Ok(None) };
        if matches!(line, b"" | b"\r") {
            check_host(head)?;
            return Ok(Some(input.len() - rest.len()));
        }
        lines += 1;
        if lines > MOST_LINES {
            return Err(ProxyError::HeadTooLarge);
        }
        take_line(line, head, host)?;
    }
}

/// Cuts the next line off, without its line feed; `None` while its end has not come.
fn next_line<'a>(
    rest: &mut &'a [u8],
    limits: HeadLimits,
    too_long: ProxyError,
) -> Result<Option<&'a [u8]>, ProxyError> {
    let end = memchr::memchr(b'\n', rest);
    if end.unwrap_or(rest.len()) >= limits.buffer {
        return Err(too_long);
    }
    let Some(end) = end else { return Ok(None) };
    let (line, tail) = rest.split_at(end);
    *rest = tail.get(1..).unwrap_or_default();
    Ok(Some(line))
}

/// Refuses what cannot become a request line, without waiting for its end.
fn check_beginning(line: &[u8]) -> Result<(), ProxyError> {
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let whole = word.len() < line.len();
    if word.iter().copied().all(is_method_byte) && !(whole && word.is_empty()) {
        return Ok(());
    }
    Err(ProxyError::BadRequest("invalid method"))
}

/// Takes method, target and version.
fn take_request_line(line: &[u8], head: &mut RequestHead, host: &mut Vec<u8>) -> Result<(), ProxyError> {
    check_beginning(line)?;
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, target, version) = (words.next(), words.next(), words.next());
    let method = method.filter(|_| line.first() != Some(&b' '));
    head.method = method.and_then(Method::new).ok_or(ProxyError::BadRequest("invalid method"))?;
    let target = target.ok_or(ProxyError::BadRequest("request line without target"))?;
    if target.iter().any(|byte| matches!(byte, 0..=0x1f | 0x7f)) {
        return Err(ProxyError::BadRequest("invalid request target"));
    }
    let authority = take_target(target, &mut head.target)?;
    head.version = version_of(version.ok_or(ProxyError::BadRequest("request line without version"))?)?;
    if words.next().is_some() {
        return Err(ProxyError::BadRequest("invalid request line"));
    }
    if let Some(authority) = authority {
        host_of(authority, host).ok_or(ProxyError::BadRequest("invalid host in request line"))?;
    }
    match nginx_uri::decode(head.path()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ProxyError::BadRequest("invalid path")),
    }
}

/// The version that a word names: of HTTP/1 every minor version is taken.
fn version_of(word: &[u8]) -> Result<Version, ProxyError> {
    const INVALID: ProxyError = ProxyError::BadRequest("invalid protocol version");
    let number = word.strip_prefix(b"HTTP/").ok_or(INVALID)?;
    let dot = memchr::memchr(b'.', number).unwrap_or(number.len());
    let (major, minor) = number.split_at(dot);
    match major {
        b"1" => {}
        [b'1'..=b'9', rest @ ..] if rest.iter().take(1).all(u8::is_ascii_digit) => {
            return Err(ProxyError::UnsupportedVersion);
        }
        _ => return Err(INVALID),
    }
    match minor.get(1..) {
        Some(digits @ ([_] | [_, _] | [_, _, _])) if digits.iter().all(u8::is_ascii_digit) => {
            let is_zero = digits.iter().all(|digit| *digit == b'0');
            Ok(if is_zero { Version::Http10 } else { Version::Http11 })
        }
        _ => Err(INVALID),
    }
}

/// Reduces a request target to origin-form; returns the authority of an absolute-form.
fn take_target<'a>(target: &'a [u8], origin: &mut Vec<u8>) -> Result<Option<&'a [u8]>, ProxyError> {
    const INVALID: ProxyError = ProxyError::BadRequest("invalid request target");
    if target.first() == Some(&b'/') {
        origin.extend_from_slice(target);
        return Ok(None);
    }
    let colon = memchr::memchr(b':', target).ok_or(INVALID)?;
    let (scheme, rest) = target.split_at(colon);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let rest = rest.strip_prefix(b"://").filter(|_| is_scheme).ok_or(INVALID)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_authority(authority) {
        return Err(INVALID);
    }
    if path.first() != Some(&b'/') {
        origin.push(b'/');
    }
    origin.extend_from_slice(path);
    Ok(Some(authority))
}

/// Whether this is a name or an address in brackets, and maybe a port of any digits.
fn is_authority(text: &[u8]) -> bool {
    let (name_ok, port) = match text.strip_prefix(b"[") {
        Some(literal) => {
            let end = memchr::memchr(b']', literal).unwrap_or(literal.len());
            let (inner, port) = literal.split_at(end);
            let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b":.-_~!$&'()*+,;=".contains(byte);
            (inner.iter().all(is_inner) && !port.is_empty(), port.get(1..).unwrap_or_default())
        }
        None => {
            let (name, port) = text.split_at(memchr::memchr(b':', text).unwrap_or(text.len()));
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            (name.iter().all(is_name), port)
        }
    };
    name_ok && (port.is_empty() || port.strip_prefix(b":").is_some_and(|p| p.iter().all(u8::is_ascii_digit)))
}

/// Takes a field line: a name, and after a colon its value between spaces.
fn take_line(line: &[u8], head: &mut RequestHead, host: &mut Vec<u8>) -> Result<(), ProxyError> {
    const INVALID: ProxyError = ProxyError::BadRequest("invalid header line");
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    let line = line.get(..end).unwrap_or_default();
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default();
    let breaks_name = |byte: &u8| matches!(byte, 0..=b' ' | 0x7f);
    let breaks_value = |byte: &u8| matches!(byte, 0 | b'\r');
    if name.is_empty() || name.iter().any(breaks_name) || value.iter().any(breaks_value) {
        return Err(INVALID);
    }
    let start = value.iter().position(|byte| *byte != b' ').unwrap_or(value.len());
    let end = value.iter().rposition(|byte| *byte != b' ').map_or(start, |last| last + 1);
    take_field(name, value.get(start..end).unwrap_or_default(), &mut head.fields, host)
}
