//! The life of an HTTP/1 connection: wait, read a head, serve, and again.

use super::Link;
use super::h1_client::H1Client;
use super::link::LinkBody;
use crate::exchange::{BodyError, Client, Exchange, Request, RequestBody};
use crate::http::{Known, Method, Version, uri};
use crate::proxy::h1::{Framing, HeadEnd, request};
use crate::proxy::settings::Settings;
use crate::proxy::wire::WireError;
use crate::proxy::{ProxyError, Stream, Wire, Worker, buffers, deadline, forwarded, pipeline};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// Longest time that a client gets to send what is read and dropped, in milliseconds.
const LINGER_MAX: u64 = 30_000;

/// What becomes of the connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The next request is awaited.
    KeepAlive,
    /// It is closed at once: nothing is left to read, or nobody is there.
    Close,
    /// It is closed once the client has had the chance to read the answer.
    Linger,
}

/// Serves a connection until it ends.
///
/// Between requests it holds no buffer and no exchange, and its future is small: the large one is
/// made for each request. With a `refusal` the first request is refused, whatever it is.
pub async fn serve(worker: Rc<Worker>, stream: Stream, client: Rc<Client>, mut refusal: Option<ProxyError>) {
    let link = Rc::new(RefCell::new(Link::new(Wire::new(stream))));
    // A connection is told of itself once.
    let weak: std::rc::Weak<RefCell<Link>> = Rc::downgrade(&link);
    let _ = client.raw.set(weak);
    let mut patience = worker.settings.client_header_timeout;
    while wait(&link, patience).await {
        match Box::pin(serve_one(&worker, &link, &client, refusal.take())).await {
            After::KeepAlive => patience = worker.settings.keepalive_timeout,
            After::Close => return,
            After::Linger => return Box::pin(linger(&worker.settings, &link)).await,
        }
    }
}

/// Waits for the first byte of a request; false when the connection ends instead.
///
/// *Kong parity*: unlike nginx, a connection that idles is not closed at once when the worker drains: a
/// request may be on its way already, and would be lost. See [`Worker::drain`].
async fn wait(link: &Rc<RefCell<Link>>, patience: u64) -> bool {
    {
        let wire = &mut link.borrow_mut().wire;
        wire.release();
        wire.reading.set_idle(patience);
    }
    poll_fn(|cx| link.borrow_mut().wire.poll_readable(cx)).await.is_ok()
}

/// Serves the request whose first bytes are there.
async fn serve_one(
    worker: &Rc<Worker>,
    link: &Rc<RefCell<Link>>,
    client: &Rc<Client>,
    refusal: Option<ProxyError>,
) -> After {
    let mut exchange = worker.begin_exchange(client);
    let refusal = match read_head(worker, link, &mut exchange).await {
        Ok(true) => refusal.or_else(|| begin(&worker.settings, link, &mut exchange).err()),
        Ok(false) => {
            worker.end_exchange(exchange);
            return After::Close;
        }
        Err(error) => Some(error),
    };
    client.requests.set(client.requests.get() + 1);
    let mut downstream = H1Client::new(worker, link, refusal.is_none());
    let alive = pipeline::serve(worker, &mut exchange, &mut downstream, refusal).await;
    let keep_alive = downstream.keep_alive && alive;
    let more_wanted = exchange.request.wants_keep_alive();
    worker.end_exchange(exchange);
    if keep_alive && drop_body(link).await {
        return After::KeepAlive;
    }
    let link = link.borrow();
    let leftover = !link.incoming.is_done() || !link.wire.unread().is_empty();
    if alive && !link.wire.is_closed() && (leftover || more_wanted) { After::Linger } else { After::Close }
}

/// Reads a request head into the exchange; false when the connection ended before one began.
async fn read_head(
    worker: &Worker,
    link: &Rc<RefCell<Link>>,
    exchange: &mut Exchange,
) -> Result<bool, ProxyError> {
    let mut end = HeadEnd::default();
    let settings = &worker.settings;
    link.borrow_mut().wire.reading.set(settings.client_header_timeout);
    poll_fn(|cx| {
        let mut link = link.borrow_mut();
        loop {
            skip_empty_lines(&mut link.wire);
            let request = &mut exchange.request;
            if !link.wire.unread().is_empty()
                && let Some(taken) = request::parse(
                    link.wire.unread(),
                    &mut end,
                    settings.head_limits,
                    &mut request.head,
                    &mut request.host,
                )?
            {
                request.length = taken as u64;
                worker.renew_snapshot(exchange);
                if !exchange.snapshot.plugins.is_empty() {
                    let request = &mut exchange.request;
                    request.raw_head.extend_from_slice(link.wire.unread().get(..taken).unwrap_or_default());
                }
                link.wire.consume(taken);
                return Poll::Ready(Ok(true));
            }
            match link.wire.poll_fill(cx, buffers::USUAL / 2) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(WireError::Late)) => return Poll::Ready(Err(ProxyError::HeadTimeout)),
                Poll::Ready(Err(WireError::Io(_))) => return Poll::Ready(Ok(false)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// RFC 9112, section 2.2: empty lines before a request line are ignored, whatever ends them.
fn skip_empty_lines(wire: &mut Wire) {
    while matches!(wire.unread().first(), Some(b'\r' | b'\n')) {
        wire.consume(1);
    }
}

/// Checks what a complete head announces, and prepares the exchange for the pipeline.
fn begin(settings: &Settings, link: &Rc<RefCell<Link>>, exchange: &mut Exchange) -> Result<(), ProxyError> {
    let head = &exchange.request.head;
    let framing = Framing::of_request(head.version, &head.fields)?;
    match head.method {
        Method::CONNECT => return Err(ProxyError::MethodNotAllowed("CONNECT")),
        Method::TRACE => return Err(ProxyError::MethodNotAllowed("TRACE")),
        _ => {}
    }
    let http11 = head.version >= Version::Http11;
    let expects =
        http11 && head.fields.known(Known::Expect).is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
    exchange.request.websocket =
        http11 && head.fields.known(Known::Upgrade).is_some_and(|v| v.eq_ignore_ascii_case(b"websocket"));
    link.borrow_mut().begin(framing, expects, settings);
    take_path(&mut exchange.request);
    forwarded::find_remote(exchange, settings);
    match framing {
        Framing::Length(length)
            if settings.client_max_body_size > 0 && length > settings.client_max_body_size =>
        {
            return Err(ProxyError::Body(BodyError::TooLarge));
        }
        Framing::None => {}
        _ => exchange.request.body = RequestBody::Unread(Box::new(LinkBody(link.clone()))),
    }
    Ok(())
}

/// Brings the path to the form the router matches.
///
/// *Invariant*: the path is one that [`crate::http::nginx_uri`] decodes.
pub(super) fn take_path(request: &mut Request) {
    request.path.extend_from_slice(&uri::normalize(request.head.path(), true));
}

/// Reads and drops what is left of the request body; false when the connection is not worth keeping.
async fn drop_body(link: &Rc<RefCell<Link>>) -> bool {
    if link.borrow().incoming.is_done() {
        return true;
    }
    let mut scrap = buffers::take();
    let until = deadline::now() + LINGER_MAX;
    let dropped = poll_fn(|cx| {
        loop {
            scrap.clear();
            if deadline::now() > until {
                return Poll::Ready(false);
            }
            match link.borrow_mut().poll_body(cx, &mut scrap) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(true),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    buffers::give(scrap);
    dropped
}

/// Closes so that the client can read the answer: our side first, then whatever it still sends is
/// read and dropped for a while. Closing with unread input would reset the connection, and the answer
/// with it.
async fn linger(settings: &Settings, link: &Rc<RefCell<Link>>) {
    let until = deadline::now() + LINGER_MAX;
    link.borrow().wire.writing.set(settings.lingering_timeout);
    if poll_fn(|cx| link.borrow_mut().wire.poll_shutdown(cx)).await.is_err() {
        return;
    }
    while deadline::now() < until {
        link.borrow().wire.reading.set(settings.lingering_timeout);
        let read = poll_fn(|cx| {
            let wire = &mut link.borrow_mut().wire;
            let unread = wire.unread().len();
            wire.consume(unread);
            wire.poll_fill(cx, buffers::USUAL)
        });
        if matches!(read.await, Ok(0) | Err(_)) {
            return;
        }
    }
}
