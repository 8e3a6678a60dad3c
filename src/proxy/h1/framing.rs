//! Where a message body ends (RFC 9112, section 6).

use crate::http::{Fields, Known, Method, Version};
use crate::proxy::ProxyError;

/// How the length of a message body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The body lasts until the connection is closed; responses only.
    UntilClose,
}

impl Framing {
    /// The framing of a request.
    ///
    /// *Errors*: 400 for anything ambiguous (both fields, repeated fields, a length that is not plain
    /// digits, chunked in HTTP/1.0), 501 for another transfer coding.
    pub fn of_request(version: Version, fields: &Fields) -> Result<Framing, ProxyError> {
        let length = content_length(fields).map_err(ProxyError::BadRequest)?;
        let Some(chunked) = transfer_encoding(fields).map_err(ProxyError::BadRequest)? else {
            return Ok(length.map_or(Framing::None, Framing::Length));
        };
        if length.is_some() {
            return Err(ProxyError::BadRequest("Content-Length and Transfer-Encoding together"));
        }
        if version < Version::Http11 {
            return Err(ProxyError::BadRequest("Transfer-Encoding in HTTP/1.0"));
        }
        if chunked { Ok(Framing::Chunked) } else { Err(ProxyError::UnknownCoding) }
    }

    /// The framing of a response to a request with `method`.
    ///
    /// *Errors*: the same ambiguities, as an invalid response.
    pub fn of_response(
        method: Method,
        status: u16,
        version: Version,
        fields: &Fields,
    ) -> Result<Framing, ProxyError> {
        let length = content_length(fields).map_err(ProxyError::InvalidResponse)?;
        let coding = transfer_encoding(fields).map_err(ProxyError::InvalidResponse)?;
        if coding.is_some() && length.is_some() {
            return Err(ProxyError::InvalidResponse("Content-Length and Transfer-Encoding together"));
        }
        if coding == Some(false) {
            return Err(ProxyError::InvalidResponse("unknown Transfer-Encoding"));
        }
        if coding.is_some() && version < Version::Http11 {
            return Err(ProxyError::InvalidResponse("Transfer-Encoding in HTTP/1.0"));
        }
        if method == Method::HEAD || matches!(status, 100..=199 | 204 | 304) {
            return Ok(Framing::None);
        }
        Ok(match (coding, length) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length),
            (None, None) => Framing::UntilClose,
        })
    }
}

/// The one `Content-Length`; none when the field is absent.
fn content_length(fields: &Fields) -> Result<Option<u64>, &'static str> {
    let mut values = fields.known_values(Known::ContentLength);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("duplicate Content-Length");
    }
    decimal(value).map(Some).ok_or("invalid Content-Length")
}

/// Whether the one `Transfer-Encoding` is `chunked`; none when the field is absent.
fn transfer_encoding(fields: &Fields) -> Result<Option<bool>, &'static str> {
    let mut values = fields.known_values(Known::TransferEncoding);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("duplicate Transfer-Encoding");
    }
    Ok(Some(value.eq_ignore_ascii_case(b"chunked")))
}

/// A number of plain digits, below 2⁶³.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn request(lines: &[(&str, &str)]) -> Result<Framing, u16> {
        Framing::of_request(Version::Http11, &fields(lines)).map_err(|e| e.status())
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        let (cl, te) = ("Content-Length", "Transfer-Encoding");
        type Row<'a> = (&'a [(&'a str, &'a str)], Result<Framing, u16>);
        let table: &[Row<'_>] = &[
            (&[], Ok(Framing::None)),
            (&[(cl, "0")], Ok(Framing::Length(0))),
            (&[(cl, "12")], Ok(Framing::Length(12))),
            (&[(cl, "+1")], Err(400)),
            (&[(cl, "-1")], Err(400)),
            (&[(cl, "1 ")], Err(400)),
            (&[(cl, "0x1")], Err(400)),
            (&[(cl, "1,1")], Err(400)),
            (&[(cl, "1, 1")], Err(400)),
            (&[(cl, "")], Err(400)),
            (&[(cl, "9999999999999999999")], Err(400)),
            (&[(cl, "1"), (cl, "1")], Err(400)),
            (&[(te, "chunked")], Ok(Framing::Chunked)),
            (&[(te, "CHUNKED")], Ok(Framing::Chunked)),
            (&[(te, "gzip, chunked")], Err(501)),
            (&[(te, "identity")], Err(501)),
            (&[(te, "xchunked")], Err(501)),
            (&[(te, "")], Err(501)),
            (&[(te, "chunked"), (te, "chunked")], Err(400)),
            (&[(te, "chunked"), (te, "identity")], Err(400)),
            (&[(cl, "1"), (te, "chunked")], Err(400)),
            (&[(te, "gzip"), (cl, "1")], Err(400)),
        ];
        for (lines, expected) in table {
            assert_eq!(&request(lines), expected, "{lines:?}");
        }
        let chunked = fields(&[(te, "chunked")]);
        assert_eq!(Framing::of_request(Version::Http10, &chunked).map_err(|e| e.status()), Err(400));
    }

    #[test]
    fn responses_without_a_body_have_none_whatever_their_fields_say() {
        let of = |method, status, lines: &[_]| {
            Framing::of_response(method, status, Version::Http11, &fields(lines)).ok()
        };
        let length = [("Content-Length", "5")];
        assert_eq!(of(Method::HEAD, 200, &length), Some(Framing::None));
        assert_eq!(of(Method::GET, 304, &length), Some(Framing::None));
        assert_eq!(of(Method::GET, 204, &[]), Some(Framing::None));
        assert_eq!(of(Method::GET, 200, &length), Some(Framing::Length(5)));
        assert_eq!(of(Method::GET, 200, &[]), Some(Framing::UntilClose));
        let both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
        assert_eq!(of(Method::GET, 200, &both), None);
        assert_eq!(of(Method::HEAD, 200, &both), None);
    }
}
