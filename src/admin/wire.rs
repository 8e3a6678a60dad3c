//! Answers as they go over the wire.
//!
//! *Kong parity*: the order of field lines, the reason phrases and the pages of the nginx that Kong runs in.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use hyper::ext::ReasonPhrase;

use super::json;
use super::reply::{self, Reply};
use crate::http::{date, page, status};

const LATENCY: HeaderName = HeaderName::from_static("x-kong-admin-latency");

/// What an answer carries that does not depend on what it says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Envelope {
    /// Whether the client is told that the connection stays open, or closes; HTTP/2 does not tell.
    pub(super) stays_open: Option<bool>,
    /// How long answering took, in milliseconds, if that is told.
    pub(super) latency: Option<u64>,
    /// Whether the gateway names itself.
    pub(super) is_server_named: bool,
    /// Whether only the head is asked for.
    pub(super) is_head: bool,
    /// Whether the client reads bodies in chunks: that of HTTP/1.1 does.
    pub(super) has_chunks: bool,
}

/// The bytes of a body.
pub(super) struct Payload {
    bytes: Option<Bytes>,
    /// Whether its length is told; HTTP/1.1 sends it in chunks otherwise.
    is_sized: bool,
}

/// A body and what the head says of it.
struct Content {
    bytes: Vec<u8>,
    media_type: Option<HeaderValue>,
    length: Length,
}

/// Where the length of a body is told.
#[derive(PartialEq, Eq)]
enum Length {
    /// Before the answer's own field lines, where nginx puts that of its pages and files.
    Early,
    /// Behind them, where Kong puts it.
    Late,
    /// Nowhere.
    Untold,
}

/// The answer as hyper sends it; `HEAD` keeps the field lines and drops the body.
pub(super) fn response(reply: Reply, envelope: &Envelope) -> Response<Payload> {
    let Reply { status, body, headers: mut own } = reply;
    let content = content(status, body, &mut own);
    let mut headers = HeaderMap::new();
    headers.insert(DATE, now());
    if let Some(media_type) = content.media_type {
        headers.insert(CONTENT_TYPE, media_type);
    }
    let is_empty = envelope.is_head || content.bytes.is_empty();
    if content.length == Length::Untold && !is_empty && envelope.has_chunks {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let length = HeaderValue::from(content.bytes.len());
    if content.length == Length::Early {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    if let Some(stays_open) = envelope.stays_open {
        let option = if stays_open { "keep-alive" } else { "close" };
        headers.insert(CONNECTION, HeaderValue::from_static(option));
    }
    for (name, value) in own {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    if content.length == Length::Late {
        headers.insert(CONTENT_LENGTH, length);
    }
    if let Some(milliseconds) = envelope.latency {
        headers.insert(LATENCY, HeaderValue::from(milliseconds));
    }
    if envelope.is_server_named {
        let server = concat!("kong/", env!("CARGO_PKG_VERSION"));
        headers.insert(SERVER, HeaderValue::from_static(server));
    }
    let payload = Payload {
        bytes: (!is_empty).then(|| Bytes::from(content.bytes)),
        is_sized: content.length != Length::Untold,
    };
    let mut response = Response::new(payload);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    if let Some(phrase) = phrase(status) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// An error that nobody gave a body to gets nginx's page.
fn content(status: u16, body: reply::Body, own: &mut Vec<(HeaderName, String)>) -> Content {
    let fixed = |media_type| Some(HeaderValue::from_static(media_type));
    let (bytes, media_type, length) = match body {
        reply::Body::Json(body) => {
            (json::encode(&body).into_bytes(), fixed("application/json; charset=utf-8"), Length::Late)
        }
        reply::Body::Page(note) => (page::plain(status, note).into(), fixed(page::MEDIA_TYPE), Length::Early),
        reply::Body::Text(media_type, text) => (text.into_bytes(), fixed(media_type), Length::Early),
        reply::Body::Empty if status < 400 => (Vec::new(), None, Length::Untold),
        reply::Body::Bytes { ref bytes, .. } if status >= 400 && bytes.is_empty() => {
            own.retain(|(name, _)| *name != CONTENT_TYPE);
            (page::plain(status, None).into(), fixed(page::MEDIA_TYPE), Length::Early)
        }
        reply::Body::Empty => (page::plain(status, None).into(), fixed(page::MEDIA_TYPE), Length::Early),
        reply::Body::Bytes { bytes, is_sized } => {
            let length = if is_sized { Length::Late } else { Length::Untold };
            (bytes, taken(own, &CONTENT_TYPE), length)
        }
    };
    let is_bodyless = status == 204 || status == 304;
    Content { bytes, media_type, length: if is_bodyless { Length::Untold } else { length } }
}

/// Takes a field out of an answer's own.
fn taken(own: &mut Vec<(HeaderName, String)>, name: &HeaderName) -> Option<HeaderValue> {
    let at = own.iter().position(|(known, _)| known == name)?;
    HeaderValue::from_str(&own.remove(at).1).ok()
}

fn now() -> HeaderValue {
    let mut text = Vec::new();
    date::append_now(&mut text);
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The phrase where nginx has another one than hyper.
fn phrase(status: u16) -> Option<ReasonPhrase> {
    let known = status::reason(status);
    let usual = StatusCode::from_u16(status).ok()?.canonical_reason();
    if known.is_empty() || usual == Some(known) {
        return None;
    }
    ReasonPhrase::try_from(known.as_bytes()).ok()
}

impl Payload {
    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.is_sized || self.bytes.is_none() {
            true => SizeHint::with_exact(self.len() as u64),
            false => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(response: &Response<Payload>) -> Vec<&str> {
        response.headers().keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn field_lines_are_in_the_order_in_which_nginx_writes_those_of_kong() {
        let envelope = Envelope {
            stays_open: Some(true),
            latency: Some(3),
            is_server_named: true,
            ..Envelope::default()
        };
        let reply = Reply::not_found().with(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        let expected = [
            "date",
            "content-type",
            "connection",
            "access-control-allow-origin",
            "content-length",
            "x-kong-admin-latency",
            "server",
        ];
        assert_eq!(names(&response(reply, &envelope)), expected);
        let refused = response(Reply::empty(415), &envelope);
        let expected =
            ["date", "content-type", "content-length", "connection", "x-kong-admin-latency", "server"];
        assert_eq!(names(&refused), expected);
        assert_eq!(refused.body().len(), 144);
        let gone = response(Reply::empty(204), &envelope);
        assert_eq!(names(&gone), ["date", "connection", "x-kong-admin-latency", "server"]);
    }

    #[test]
    fn phrases_are_those_of_nginx() {
        let said = |status| {
            let response = response(Reply::message(status, ""), &Envelope::default());
            let phrase = response.extensions().get::<ReasonPhrase>();
            phrase.map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned())
        };
        assert_eq!(said(200), None);
        assert_eq!(said(405).as_deref(), Some("Not Allowed"));
        assert_eq!(said(503).as_deref(), Some("Service Temporarily Unavailable"));
    }
}
