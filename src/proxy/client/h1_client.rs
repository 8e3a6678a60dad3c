//! An exchange's end at an HTTP/1 client.

use super::Link;
use crate::exchange::{Exchange, Source};
use crate::http::{Known, Method, ResponseHead, Version};
use crate::proxy::h1::encode::{self, ResponseForm};
use crate::proxy::h1::write_chunk;
use crate::proxy::upstream::Answer;
use crate::proxy::wire::WireError;
use crate::proxy::{Downstream, ProxyError, Worker, buffers, tunnel};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The client of one exchange over HTTP/1.
pub struct H1Client<'a> {
    worker: &'a Worker,
    link: &'a Rc<RefCell<Link>>,
    body: Outgoing,
    /// What the connection is good for afterwards.
    pub keep_alive: bool,
    body_sent: u64,
    written_before: u64,
}

/// How the response body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    /// There is none, whatever is queued.
    None,
    /// So many bytes are still announced.
    Length(u64),
    Chunked,
    UntilClose,
}

impl<'a> H1Client<'a> {
    /// The client of the exchange that begins; `may_keep` is false when the connection must end after it.
    pub fn new(worker: &'a Worker, link: &'a Rc<RefCell<Link>>, may_keep: bool) -> H1Client<'a> {
        let written_before = link.borrow().wire.written;
        let body = Outgoing::None;
        H1Client { worker, link, body, keep_alive: may_keep, body_sent: 0, written_before }
    }

    /// Whether the connection can stay open after this response.
    fn decide_keep_alive(&mut self, exchange: &Exchange) {
        let settings = &self.worker.settings;
        let mut link = self.link.borrow_mut();
        link.expects_continue &= !link.wire.is_closed();
        if !link.incoming.is_done() {
            link.drop_body_at_hand();
        }
        self.keep_alive &= exchange.request.wants_keep_alive()
            && !self.worker.is_draining()
            && settings.keepalive_timeout > 0
            && exchange.client.requests.get() < settings.keepalive_requests
            && !ends_connection(exchange)
            && !asks_to_close(&exchange.response.head);
    }
}

/// *Kong parity*: the errors after which nginx closes. What a plugin threw is answered as a plugin would.
fn ends_connection(exchange: &Exchange) -> bool {
    let response = &exchange.response;
    response.source == Source::Error
        && !response.is_unexpected
        && matches!(response.head.status, 400 | 413 | 414 | 497 | 500 | 501)
}

/// Whether a plugin set `Connection: close`.
fn asks_to_close(head: &ResponseHead) -> bool {
    const CLOSE: &[u8] = b"close";
    let asks = |value: &[u8]| value.windows(CLOSE.len()).any(|part| part.eq_ignore_ascii_case(CLOSE));
    head.fields.known_values(Known::Connection).any(asks)
}

impl Downstream for H1Client<'_> {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut link = self.link.borrow_mut();
        // While the body is read its reader notices; a pipelined request may be read ahead a little.
        if !link.incoming.is_done() || link.wire.unread().len() >= buffers::USUAL {
            return Poll::Pending;
        }
        link.wire.reading.clear();
        loop {
            match link.wire.poll_fill(cx, 1) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) if link.wire.unread().len() < buffers::USUAL => {}
                Poll::Ready(Ok(_)) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn inform(&mut self, head: &ResponseHead) {
        let mut link = self.link.borrow_mut();
        let out = link.wire.output();
        encode::status_line(out, head);
        for (known, name, value) in head.fields.iter_known() {
            if !matches!(known, Known::Connection | Known::TransferEncoding | Known::ContentLength) {
                encode::line(out, name, value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn head(&mut self, exchange: &mut Exchange) {
        self.decide_keep_alive(exchange);
        let head = &exchange.response.head;
        let relayed = exchange.response.source == Source::Upstream && !exchange.lua.buffered;
        let bodyless = matches!(head.status, 100..=199 | 204);
        let unsent = bodyless || head.status == 304 || exchange.request.head.method == Method::HEAD;
        let length = match head.fields.known(Known::ContentLength) {
            // *Kong parity*: nginx passes on the length that an upstream gives a 204.
            Some(text) if !bodyless || (relayed && head.status == 204) => {
                std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
            }
            _ => None,
        };
        self.body = match length {
            _ if unsent => Outgoing::None,
            Some(length) => Outgoing::Length(length),
            None if exchange.request.head.version >= Version::Http11 => Outgoing::Chunked,
            None => {
                self.keep_alive = false;
                Outgoing::UntilClose
            }
        };
        let form = ResponseForm {
            relayed,
            length_first: relayed || exchange.response.is_page,
            length,
            chunked: self.body == Outgoing::Chunked,
            keep_alive: self.keep_alive,
        };
        let mut link = self.link.borrow_mut();
        // What is left of the body is read and dropped. *Kong parity*: nginx has a client that waits for it told to go
        // on, or what it sends next would be taken for the body.
        if std::mem::take(&mut link.expects_continue) && self.keep_alive {
            link.wire.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        encode::response(link.wire.output(), head, form);
        link.wire.writing.set(self.worker.settings.send_timeout);
    }

    fn data(&mut self, bytes: &[u8]) {
        let mut link = self.link.borrow_mut();
        let out = link.wire.output();
        match &mut self.body {
            Outgoing::None => return,
            Outgoing::Length(left) => {
                // A filter that says more than it announced must not become the next response.
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                out.extend_from_slice(bytes.get(..taken as usize).unwrap_or_default());
                self.body_sent += taken;
                return;
            }
            Outgoing::Chunked => write_chunk(out, bytes),
            Outgoing::UntilClose => out.extend_from_slice(bytes),
        }
        self.body_sent += bytes.len() as u64;
    }

    fn end(&mut self, exchange: &Exchange) {
        match self.body {
            Outgoing::Chunked => {
                let mut link = self.link.borrow_mut();
                let out = link.wire.output();
                out.extend_from_slice(b"0\r\n");
                if crate::proxy::upstream::wants_trailers(&exchange.request.head.fields) {
                    exchange.response.trailers.write_to(out);
                }
                out.extend_from_slice(b"\r\n");
            }
            // Less than announced: only the end of the connection can tell.
            Outgoing::Length(1..) => self.keep_alive = false,
            _ => {}
        }
    }

    fn queued(&self) -> usize {
        self.link.borrow().wire.queued()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        let mut link = self.link.borrow_mut();
        let before = link.wire.written;
        let flushed = link.wire.poll_flush(cx);
        if link.wire.written > before {
            link.wire.writing.set(self.worker.settings.send_timeout);
        }
        match flushed {
            Poll::Ready(Ok(())) => {
                link.wire.writing.clear();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(WireError::Late)) => Poll::Ready(Err(ProxyError::SendTimeout)),
            Poll::Ready(Err(WireError::Io(_))) => Poll::Ready(Err(ProxyError::ClientGone)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn sent(&self) -> (u64, u64) {
        (self.body_sent, self.link.borrow().wire.written - self.written_before)
    }

    fn received(&self) -> u64 {
        self.link.borrow().received
    }

    fn abort(&mut self) {
        self.keep_alive = false;
    }

    async fn tunnel(&mut self, upstream: Answer) -> Result<(), ProxyError> {
        self.keep_alive = false;
        let relayed = tunnel::relay(self.link, upstream).await;
        self.body_sent += relayed?;
        Ok(())
    }
}
