//! The same bytes as hyper reads them: an independent reading of the same standard.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};

use crate::wire::Message;

/// More than any input of a fuzzer needs.
const ROUNDS: usize = 10_000;

/// The requests that hyper's server reads off `input`, each with its whole body.
pub fn requests(input: &[u8]) -> Vec<Message> {
    let read = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&read);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            if let Ok(body) = body.collect().await {
                let body = body.to_bytes().to_vec();
                let start = head.method.to_string();
                seen.borrow_mut().push(Message { start, fields: lines(&head.headers), body });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(4096)
        .serve_connection(Script { rest: input }, service);
    drive(connection);
    read.take()
}

/// The response that hyper's client reads off `input`.
pub fn answer(input: &[u8], method: Method) -> Option<Message> {
    drive(async {
        let builder = hyper::client::conn::http1::Builder::new();
        let (mut sender, connection) = builder.handshake(Script { rest: input }).await.ok()?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        let exchange = async move {
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some(Message { start: head.status.as_u16().to_string(), fields: lines(&head.headers), body })
        };
        let mut exchange = pin!(exchange);
        let mut connection = pin!(connection);
        let mut open = true;
        std::future::poll_fn(|cx| {
            if open && connection.as_mut().poll(cx).is_ready() {
                open = false;
            }
            exchange.as_mut().poll(cx)
        })
        .await
    })
    .flatten()
}

/// Polls a future that never waits for anything outside.
fn drive<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..ROUNDS {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

fn lines(fields: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec())).collect()
}

/// A connection whose peer says its part, closes its side, and does not care for the answers.
struct Script<'a> {
    rest: &'a [u8],
}

impl Read for Script<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (now, later) = self.rest.split_at(self.rest.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Script<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
