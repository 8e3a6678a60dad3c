//! Response heads off the wire.

use super::head_end::HeadEnd;
use crate::http::{NO_REASON, ResponseHead, Version, status};
use crate::proxy::ProxyError;
use httparse::{EMPTY_HEADER, Response, Status};

/// Field lines of a response head that we take.
const LINES_MAX: usize = 1024;
/// Field lines that fit without a heap allocation.
const USUAL_LINES: usize = 64;

/// Reads a response head from the start of `input`; returns how many bytes it took, `None` while it
/// is not complete.
///
/// `most` is the number of bytes that a head may have: `proxy_buffer_size`.
///
/// *Errors*: an invalid response for anything that nginx does not take: the peer cannot be understood,
/// so the connection to it is of no further use.
pub fn parse(
    input: &[u8],
    most: usize,
    end: &mut HeadEnd,
    head: &mut ResponseHead,
) -> Result<Option<usize>, ProxyError> {
    if !end.is_due(input) && input.len() < most {
        return Ok(None);
    }
    let mut lines = [EMPTY_HEADER; USUAL_LINES];
    let mut response = Response::new(&mut lines);
    let taken = match response.parse(input) {
        // nginx keeps the tabs around a value.
        Ok(Status::Complete(taken))
            if memchr::memchr(b'\t', input.get(..taken).unwrap_or(input)).is_some() =>
        {
            parse_lenient(input, head, httparse::Error::HeaderValue)?
        }
        Ok(Status::Complete(taken)) => take_head(&response, head).map(|()| Some(taken))?,
        Ok(Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => parse_long(input, head)?,
        Err(error) => parse_lenient(input, head, error)?,
    };
    match taken {
        Some(taken) if taken <= most => Ok(Some(taken)),
        None if input.len() < most => Ok(None),
        _ => Err(ProxyError::InvalidResponse("too big header")),
    }
}

/// Reads a head as nginx does, which takes any minor version, fields without a colon and control bytes in
/// values; what goes to the client is written anew.
fn parse_lenient(
    input: &[u8],
    head: &mut ResponseHead,
    error: httparse::Error,
) -> Result<Option<usize>, ProxyError> {
    let mut taken = 0;
    let mut lines = input.split_inclusive(|byte| *byte == b'\n').map(|line| {
        taken += line.len();
        (taken, line.strip_suffix(b"\n"))
    });
    let Some((_, Some(first))) = lines.next() else {
        return if input.contains(&b'\n') || !input.starts_with(b"HTTP/") {
            Err(invalid(error))
        } else {
            Ok(None)
        };
    };
    take_status_line(first.strip_suffix(b"\r").unwrap_or(first), head).ok_or(invalid(error))?;
    for (taken, line) in lines {
        let Some(line) = line else { return Ok(None) };
        let (name, value) = field_line(line).ok_or(invalid(error))?;
        if name.is_empty() {
            return Ok(Some(taken));
        }
        head.fields.append_valid(name, value);
        if head.fields.len() > LINES_MAX {
            return Err(invalid(httparse::Error::TooManyHeaders));
        }
    }
    Ok(None)
}

fn take_status_line(line: &[u8], head: &mut ResponseHead) -> Option<()> {
    let (version, rest) = line.strip_prefix(b"HTTP/")?.split_at_checked(memchr::memchr(b' ', line)? - 5)?;
    let dot = memchr::memchr(b'.', version)?;
    let (major, minor) = (version.get(..dot)?, version.get(dot + 1..)?);
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let code = rest.trim_ascii_start();
    let (code, reason) = code.split_at_checked(3)?;
    if !is_number(major)
        || !is_number(minor)
        || !is_number(code)
        || !matches!(reason.first(), None | Some(b' '))
    {
        return None;
    }
    head.clear();
    head.status = std::str::from_utf8(code).ok()?.parse().ok().filter(|code| *code >= 100)?;
    head.version = if major == b"1" && minor == b"0" { Version::Http10 } else { Version::Http11 };
    take_reason(reason.get(1..).unwrap_or_default(), head);
    Some(())
}

/// The next field line's name and value; both empty for the line that ends a head.
fn field_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    let line = line.get(..end)?;
    if line.is_empty() {
        return Some((line, line));
    }
    let (name, value) = line.split_at(memchr::memchr(b':', line).unwrap_or(line.len()));
    let value = value.get(1..).unwrap_or_default();
    let breaks = name.is_empty() || name.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f));
    let start = value.iter().position(|byte| *byte != b' ').unwrap_or(value.len());
    let end = value.iter().rposition(|byte| *byte != b' ').map_or(start, |last| last + 1);
    (!breaks && !value.iter().any(|byte| matches!(byte, 0 | b'\r'))).then_some((name, value.get(start..end)?))
}

/// Reads a head of very many lines.
fn parse_long(text: &[u8], head: &mut ResponseHead) -> Result<Option<usize>, ProxyError> {
    let mut lines = vec![EMPTY_HEADER; LINES_MAX];
    let mut response = Response::new(&mut lines);
    match response.parse(text).map_err(invalid)? {
        Status::Complete(taken) => take_head(&response, head).map(|()| Some(taken)),
        Status::Partial => Ok(None),
    }
}

fn invalid(error: httparse::Error) -> ProxyError {
    ProxyError::InvalidResponse(match error {
        httparse::Error::Version | httparse::Error::Status => "no valid HTTP/1.x status line",
        httparse::Error::TooManyHeaders => "too many field lines",
        _ => "invalid header",
    })
}

fn take_head(response: &Response<'_, '_>, head: &mut ResponseHead) -> Result<(), ProxyError> {
    let (Some(code), Some(minor)) = (response.code, response.version) else {
        return Err(ProxyError::InvalidResponse("incomplete status line"));
    };
    if !(100..=999).contains(&code) {
        return Err(ProxyError::InvalidResponse("invalid status"));
    }
    head.clear();
    head.status = code;
    head.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    take_reason(response.reason.unwrap_or_default().as_bytes(), head);
    for line in response.headers.iter() {
        head.fields.append_valid(line.name.as_bytes(), line.value);
    }
    Ok(())
}

/// Keeps a reason phrase that is not the usual one.
fn take_reason(phrase: &[u8], head: &mut ResponseHead) {
    if phrase != status::reason(head.status).as_bytes() {
        head.reason.extend_from_slice(if phrase.is_empty() { NO_REASON } else { phrase });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<ResponseHead>, ProxyError> {
        let mut head = ResponseHead::default();
        let taken = parse(text.as_bytes(), 4096, &mut HeadEnd::default(), &mut head)?;
        Ok(taken.map(|_| head))
    }

    #[test]
    fn an_unusual_reason_is_kept_and_a_missing_one_is_fine() {
        let head = parsed("HTTP/1.1 200 Fine\r\nA: b\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status, head.reason.as_slice()), (200, &b"Fine"[..]));
        let head = parsed("HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.version, head.reason.len()), (Version::Http10, 0));
        assert_eq!(parsed("HTTP/1.1 599\r\n\r\n").unwrap().unwrap().status, 599);
    }

    #[test]
    fn what_cannot_be_understood_is_an_invalid_response() {
        for text in [
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        ] {
            assert!(parsed(text).is_err(), "{text:?}");
        }
        let long = "x".repeat(4096);
        assert!(parsed(&format!("HTTP/1.1 200 OK\r\nA: {long}")).is_err());
        assert!(parsed(&format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n")).is_err());
    }

    #[test]
    fn what_nginx_takes_is_taken() {
        for text in [
            "HTTP/1.1 200 OK\nA: b\n\n",
            "HTTP/1.2 200 OK\r\nA: b\r\n\r\n",
            "HTTP/2.0 200 OK\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
        ] {
            let head = parsed(text).unwrap().unwrap();
            assert_eq!((head.status, head.fields.value(b"A")), (200, Some(&b"b"[..])), "{text:?}");
        }
        let head = parsed("HTTP/1.1 200 OK\r\nA: \x01\r\nB\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.fields.value(b"A"), head.fields.value(b"B")), (Some(&b"\x01"[..]), Some(&b""[..])));
        let head = parsed("HTTP/1.1 200 OK\r\nA: \tb\t \r\n\r\n").unwrap().unwrap();
        assert_eq!(head.fields.value(b"A"), Some(&b"\tb\t"[..]));
        for text in ["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n"] {
            assert_eq!(parsed(text).unwrap().unwrap().reason, NO_REASON);
        }
    }
}
