//! The life of an HTTP/2 connection: streams, each an exchange in a task of its own.

use super::h1_connection::take_path;
use super::h2_client::{H2Body, H2Client};
use crate::exchange::{self, BodyError, Client, Exchange, RequestBody};
use crate::http::{Known, Method, RequestHead, Version, nginx_uri};
use crate::proxy::h1::request::{check_host, host_of, is_method_byte};
use crate::proxy::{ProxyError, Stream, Worker, deadline, forwarded, pipeline};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Connection, SendResponse};
use http::Request;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::task::spawn_local;

/// Bytes that a stream may send before we have taken any.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that all streams together may send before we have taken any.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Serves a connection until it ends.
pub async fn serve(worker: Rc<Worker>, stream: Stream, client: Rc<Client>) {
    let settings = &worker.settings;
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(settings.http2_max_concurrent_streams)
        .max_header_list_size(settings.head_limits.total() as u32)
        .max_send_buffer_size(STREAM_WINDOW as usize)
        .handshake(stream);
    let connection = Box::pin(deadline::within(settings.client_header_timeout, handshake)).await;
    if let Some(Ok(connection)) = connection {
        Box::pin(serve_streams(&worker, connection, &client)).await;
    }
}

/// Takes streams until the peer ends, the connection idles too long, or the worker drains: then no new
/// stream is taken, and those that are open are served to their end.
async fn serve_streams(worker: &Rc<Worker>, mut connection: Connection<Stream, Bytes>, client: &Rc<Client>) {
    let open = Rc::new(Cell::new(0usize));
    let idle = deadline::Deadline::new();
    let mut drain = pin!(worker.until_drain());
    let mut ending = false;
    loop {
        if open.get() == 0 {
            idle.set(worker.settings.keepalive_timeout);
        } else {
            idle.clear();
        }
        let accepted = poll_fn(|cx| {
            if let Poll::Ready(accepted) = connection.poll_accept(cx) {
                return Poll::Ready(Some(accepted));
            }
            if ending {
                return Poll::Pending;
            }
            if drain.as_mut().poll(cx).is_ready() || idle.poll(cx).is_ready() && open.get() == 0 {
                return Poll::Ready(None);
            }
            Poll::Pending
        });
        match accepted.await {
            Some(Some(Ok((request, respond)))) => {
                client.requests.set(client.requests.get() + 1);
                let exhausted = client.requests.get() >= worker.settings.keepalive_requests;
                let stream = Box::pin(serve_stream(worker.clone(), client.clone(), request, respond));
                let guard = Open::new(&open);
                spawn_local(async move {
                    exchange::timed(stream).await;
                    drop(guard);
                });
                if exhausted && !ending {
                    ending = true;
                    connection.graceful_shutdown();
                }
            }
            Some(Some(Err(_)) | None) => return,
            None => {
                ending = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// Counts a stream as open for as long as it lives.
struct Open(Rc<Cell<usize>>);

impl Open {
    fn new(count: &Rc<Cell<usize>>) -> Open {
        count.set(count.get() + 1);
        Open(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn serve_stream(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let mut exchange = worker.begin_exchange(&client);
    let received = Rc::new(Cell::new(0));
    let refusal = begin(&worker, &mut exchange, request, &received).err();
    let mut downstream = H2Client::new(&worker, respond, received);
    pipeline::serve(&worker, &mut exchange, &mut downstream, refusal).await;
    worker.end_exchange(exchange);
}

/// Takes head and body of a stream's request into the exchange.
fn begin(
    worker: &Worker,
    exchange: &mut Exchange,
    request: Request<RecvStream>,
    received: &Rc<Cell<u64>>,
) -> Result<(), ProxyError> {
    let settings = &worker.settings;
    let (parts, body) = request.into_parts();
    take_head(&parts, &mut exchange.request.head)?;
    let head = &exchange.request.head;
    exchange.request.length = (head.target.len() + 16) as u64;
    exchange.request.host.clear();
    if let Some(host) = head.fields.known(Known::Host) {
        host_of(host, &mut exchange.request.host).ok_or(ProxyError::BadRequest("invalid host header"))?;
    }
    let content_type = head.fields.known(Known::ContentType).unwrap_or_default();
    exchange.request.grpc = content_type.starts_with(b"application/grpc");
    nginx_uri::decode(exchange.request.head.path()).map_err(|_| ProxyError::BadRequest("invalid path"))?;
    take_path(&mut exchange.request);
    forwarded::find_remote(exchange, settings);
    if body.is_end_stream() {
        return Ok(());
    }
    let length = exchange.request.head.fields.known(Known::ContentLength);
    let declared: Option<u64> = length.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    if settings.client_max_body_size > 0 && declared.is_some_and(|n| n > settings.client_max_body_size) {
        return Err(ProxyError::Body(BodyError::TooLarge));
    }
    let source = H2Body::new(body, declared, settings, received.clone());
    exchange.request.body = RequestBody::Unread(Box::new(source));
    Ok(())
}

/// Puts an HTTP/2 head into our form: `:authority` becomes `Host`, cookies that were split for the
/// wire (RFC 9113, section 8.2.3) one line.
fn take_head(parts: &http::request::Parts, head: &mut RequestHead) -> Result<(), ProxyError> {
    head.clear();
    head.version = Version::Http2;
    let method = parts.method.as_str().as_bytes();
    if !method.iter().copied().all(is_method_byte) {
        return Err(ProxyError::BadRequest("invalid method"));
    }
    head.method = Method::new(method).ok_or(ProxyError::BadRequest("method too long"))?;
    match head.method {
        Method::CONNECT => return Err(ProxyError::MethodNotAllowed("CONNECT")),
        Method::TRACE => return Err(ProxyError::MethodNotAllowed("TRACE")),
        _ => {}
    }
    if let Some(authority) = parts.uri.authority() {
        head.fields.append_valid(b"host", authority.as_str().as_bytes());
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    if !target.starts_with('/') {
        return Err(ProxyError::BadRequest("invalid request target"));
    }
    head.target.extend_from_slice(target.as_bytes());
    let mut cookie: Vec<u8> = Vec::new();
    for (name, value) in &parts.headers {
        match Known::of(name.as_str().as_bytes()) {
            Known::Host if head.fields.has(Known::Host) => {
                return Err(ProxyError::BadRequest("duplicate host"));
            }
            Known::Cookie => {
                if !cookie.is_empty() {
                    cookie.extend_from_slice(b"; ");
                }
                cookie.extend_from_slice(value.as_bytes());
            }
            _ => head.fields.append_valid(name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    if !cookie.is_empty() {
        head.fields.append_valid(b"cookie", &cookie);
    }
    check_host(head)
}
