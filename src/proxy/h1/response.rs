//! Response heads off the wire.

use super::head_end::{HeadEnd, bare_line_feed};
use crate::http::{ResponseHead, Version, status};
use crate::proxy::ProxyError;
use httparse::{EMPTY_HEADER, Response, Status};

/// Bytes of a response head that we take.
const HEAD_MAX: usize = 64 * 1024;
/// Field lines of a response head that we take.
const LINES_MAX: usize = 1024;
/// Field lines that fit without a heap allocation.
const USUAL_LINES: usize = 64;

/// Reads a response head from the start of `input`; returns how many bytes it took, `None` while it
/// is not complete.
///
/// *Errors*: an invalid response for anything outside the grammar: the peer cannot be understood,
/// so the connection to it is of no further use.
pub fn parse(input: &[u8], end: &mut HeadEnd, head: &mut ResponseHead) -> Result<Option<usize>, ProxyError> {
    if !end.is_due(input) && input.len() < HEAD_MAX {
        return Ok(None);
    }
    let mut lines = [EMPTY_HEADER; USUAL_LINES];
    let mut response = Response::new(&mut lines);
    let taken = match response.parse(input) {
        Ok(Status::Complete(taken)) => take_head(&response, head).map(|()| Some(taken))?,
        Ok(Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => parse_long(input, head)?,
        Err(error) => return Err(invalid(error)),
    };
    let text = taken.and_then(|taken| input.get(..taken)).unwrap_or(input);
    if bare_line_feed(text) {
        return Err(ProxyError::InvalidResponse("line feed without carriage return"));
    }
    if taken.is_none() && input.len() >= HEAD_MAX {
        return Err(ProxyError::InvalidResponse("too big header"));
    }
    Ok(taken)
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
    let phrase = response.reason.unwrap_or_default();
    if phrase != status::reason(code) {
        head.reason.extend_from_slice(phrase.as_bytes());
    }
    for line in response.headers.iter() {
        head.fields.append_valid(line.name.as_bytes(), line.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<ResponseHead>, ProxyError> {
        let mut head = ResponseHead::default();
        let taken = parse(text.as_bytes(), &mut HeadEnd::default(), &mut head)?;
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
            "HTTP/1.1 200 OK\nA: b\n\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        ] {
            assert!(parsed(text).is_err(), "{text:?}");
        }
        assert!(parsed(&format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_MAX))).is_err());
    }
}
