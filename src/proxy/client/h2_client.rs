//! An exchange's end at an HTTP/2 client: one stream.

use crate::exchange::{BodyError, BodySource, Exchange, Source};
use crate::http::{Known, Method, ResponseHead, date};
use crate::proxy::deadline::Deadline;
use crate::proxy::settings::Settings;
use crate::proxy::upstream::Answer;
use crate::proxy::{Downstream, ProxyError, Worker};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The client of one exchange over HTTP/2.
pub struct H2Client<'a> {
    worker: &'a Worker,
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    head: Option<Response<()>>,
    body: Vec<u8>,
    has_body: bool,
    ended: bool,
    finished: bool,
    trailers: Option<HeaderMap>,
    body_sent: u64,
    head_sent: u64,
    received: Rc<Cell<u64>>,
    writing: Deadline,
}

/// A request body that comes over an HTTP/2 stream.
pub struct H2Body {
    stream: RecvStream,
    declared: Option<u64>,
    limit: u64,
    timeout: u64,
    received: Rc<Cell<u64>>,
    reading: Deadline,
}

impl<'a> H2Client<'a> {
    /// The client that waits for this response.
    pub fn new(worker: &'a Worker, respond: SendResponse<Bytes>, received: Rc<Cell<u64>>) -> H2Client<'a> {
        H2Client {
            worker,
            respond,
            stream: None,
            head: None,
            body: Vec::new(),
            has_body: true,
            ended: false,
            finished: false,
            trailers: None,
            body_sent: 0,
            head_sent: 0,
            received,
            writing: Deadline::new(),
        }
    }

    /// Sends the head, with the end of the stream when nothing follows it.
    fn send_head(&mut self) -> Result<(), ProxyError> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let last = self.ended && self.body.is_empty() && self.trailers.is_none();
        let stream = self.respond.send_response(head, last).map_err(|_| ProxyError::ClientGone)?;
        self.finished = last;
        self.stream = Some(stream);
        Ok(())
    }

    /// Sends as much of the body as flow control allows.
    fn poll_send_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        while !self.body.is_empty() {
            stream.reserve_capacity(self.body.len());
            let granted = match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(granted))) => granted,
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(ProxyError::ClientGone)),
                Poll::Pending => return self.writing.poll(cx).map(|()| Err(ProxyError::SendTimeout)),
            };
            if granted == 0 {
                continue;
            }
            let rest = self.body.split_off(granted.min(self.body.len()));
            let piece = std::mem::replace(&mut self.body, rest);
            self.body_sent += piece.len() as u64;
            let last = self.ended && self.body.is_empty() && self.trailers.is_none();
            stream.send_data(piece.into(), last).map_err(|_| ProxyError::ClientGone)?;
            self.finished = last;
            self.writing.set(self.worker.settings.send_timeout);
        }
        Poll::Ready(Ok(()))
    }
}

impl Downstream for H2Client<'_> {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stream {
            Some(stream) => stream.poll_reset(cx).map(drop),
            None => self.respond.poll_reset(cx).map(drop),
        }
    }

    fn inform(&mut self, head: &ResponseHead) {
        if let Ok(response) = response(head, false, true) {
            // A client that cannot have it has lost nothing that it needs.
            let _ = self.respond.send_informational(response);
        }
    }

    fn head(&mut self, exchange: &mut Exchange) {
        let head = &exchange.response.head;
        self.has_body =
            exchange.request.head.method != Method::HEAD && !matches!(head.status, 100..=199 | 204 | 304);
        self.head_sent = head.fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum();
        let relayed = exchange.response.source == Source::Upstream && !exchange.lua.buffered;
        self.head = match response(head, !relayed, relayed || exchange.response.is_page) {
            Ok(response) => Some(response),
            // A plugin's status that HTTP/2 has no form for.
            Err(_) => Response::builder().status(500).body(()).ok(),
        };
        self.writing.set(self.worker.settings.send_timeout);
    }

    fn data(&mut self, bytes: &[u8]) {
        if self.has_body {
            self.body.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, exchange: &Exchange) {
        self.ended = true;
        let trailers = &exchange.response.trailers;
        if !trailers.is_empty() {
            self.trailers = Some(header_map(trailers.iter()));
        }
    }

    fn queued(&self) -> usize {
        self.body.len() + usize::from(self.head.is_some())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        self.send_head()?;
        ready!(self.poll_send_body(cx))?;
        if self.ended && !self.finished {
            self.finished = true;
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
            let sent = match self.trailers.take() {
                Some(trailers) => stream.send_trailers(trailers),
                None => stream.send_data(Bytes::new(), true),
            };
            sent.map_err(|_| ProxyError::ClientGone)?;
        }
        self.writing.clear();
        Poll::Ready(Ok(()))
    }

    fn sent(&self) -> (u64, u64) {
        (self.body_sent, self.body_sent + self.head_sent)
    }

    fn received(&self) -> u64 {
        self.received.get()
    }

    fn abort(&mut self) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    async fn tunnel(&mut self, _: Answer) -> Result<(), ProxyError> {
        Err(ProxyError::Internal("HTTP/2 has no protocol switch".to_owned()))
    }
}

/// A response head in the form of the `http` crate, in nginx's order: date and type before all others, and with
/// `length_first` the length. Connection-specific fields have no place in it. With `dated` a date is made where
/// there is none.
fn response(
    head: &ResponseHead,
    dated: bool,
    length_first: bool,
) -> Result<Response<()>, http::status::InvalidStatusCode> {
    use Known::*;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status)?;
    let fields = &head.fields;
    let mut now = Vec::new();
    if dated && !fields.has(Date) {
        date::append_now(&mut now);
    }
    let made = (!now.is_empty()).then_some((&b"date"[..], now.as_slice()));
    let first = [(ContentType, &b"content-type"[..]), (ContentLength, &b"content-length"[..])];
    let first = first.into_iter().take(1 + usize::from(length_first));
    let first = first.filter_map(|(known, name)| Some((name, fields.known(known)?)));
    let others = fields.iter_known().filter(|(known, _, _)| match known {
        ContentLength => !length_first,
        ContentType | Connection | KeepAlive | ProxyConnection | TransferEncoding | Upgrade => false,
        _ => true,
    });
    let lines = made.into_iter().chain(first).chain(others.map(|(_, name, value)| (name, value)));
    *response.headers_mut() = header_map(lines);
    Ok(response)
}

/// Field lines as a map; those that HTTP/2 has no form for are left out.
fn header_map<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let pair =
        |(name, value)| Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?));
    let mut map = HeaderMap::new();
    for (name, value) in lines.filter_map(pair) {
        map.append(name, value);
    }
    map
}

impl H2Body {
    /// The body of a stream's request.
    pub fn new(
        stream: RecvStream,
        declared: Option<u64>,
        settings: &Settings,
        received: Rc<Cell<u64>>,
    ) -> H2Body {
        let reading = Deadline::new();
        reading.set(settings.client_body_timeout);
        let (limit, timeout) = (settings.client_max_body_size, settings.client_body_timeout);
        H2Body { stream, declared, limit, timeout, received, reading }
    }
}

impl BodySource for H2Body {
    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>> {
        match self.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                into.extend_from_slice(&data);
                // The peer may send as much again; a closed stream needs no window.
                let _ = self.stream.flow_control().release_capacity(data.len());
                self.received.set(self.received.get() + data.len() as u64);
                if self.limit > 0 && self.received.get() > self.limit {
                    return Poll::Ready(Err(BodyError::TooLarge));
                }
                self.reading.set(self.timeout);
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Err(BodyError::Closed(None))),
            Poll::Ready(None) => Poll::Ready(Ok(false)),
            Poll::Pending => self.reading.poll(cx).map(|()| Err(BodyError::Timeout)),
        }
    }

    fn declared_len(&self) -> Option<u64> {
        self.declared
    }
}
