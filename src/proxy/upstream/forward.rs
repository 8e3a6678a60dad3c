//! From a request to a response head: peers, connections, tries.

use super::request_head::{self, server_name};
use super::send::Sending;
use super::{Answer, Authorities, Connection, Identity, Outcome, Payload, Peer, PoolKey, TlsKey, connect};
use crate::exchange::{BodySource, Exchange, PeerFailure, RequestBody, Times, Try, now};
use crate::http::{ResponseHead, Scheme};
use crate::observability::log;
use crate::proxy::h1::{Framing, Incoming};
use crate::proxy::{Downstream, ProxyError, Worker, request_debug};
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;

/// Sends the request to one peer after the other until one answers.
///
/// On success the response head stands in `exchange.response.head`, as received.
///
/// *Errors*: that of the last try, or of the balancer; [`ProxyError::ClientGone`] at any time.
pub async fn forward<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<Answer, ProxyError> {
    let mut source = exchange.request.body.take_source();
    loop {
        let peer = pick(worker, exchange).await?;
        let mut tried = Attempt { sent: false, streamed: false };
        let error = match tried.run(worker, exchange, client, &peer, source.as_mut()).await {
            Ok(answer) => {
                worker.peers.report(exchange, Outcome::Status(exchange.upstream.status));
                return Ok(answer);
            }
            Err(error) => error,
        };
        note_failure(worker, exchange, &error);
        let repeatable = !matches!(exchange.request.head.method.as_bytes(), b"POST" | b"PATCH" | b"LOCK");
        let left = exchange.upstream.tries.len() <= exchange.upstream.retries as usize;
        if !left || tried.streamed || !error.may_retry(tried.sent, repeatable) {
            return Err(error);
        }
    }
}

/// Chooses the peer of the next try, and notes the try.
async fn pick(worker: &Worker, exchange: &mut Exchange) -> Result<Peer, ProxyError> {
    let start = now();
    if exchange.times.balancer_start == 0 {
        exchange.times.balancer_start = start;
    }
    let peer = match worker.peers.pick_now(exchange) {
        Some(picked) => picked?,
        None if exchange.timing.is_some() => resolve_measured(worker, exchange).await?,
        None => worker.peers.pick(exchange).await?,
    };
    request_debug::enter(exchange, "balancer");
    request_debug::leave(exchange);
    let end = now();
    exchange.times.balancer_end = end;
    exchange.upstream.tries.push(Try {
        peer: peer.address,
        hostname: Some(peer.hostname.clone()),
        start,
        latency: Times::between(start, end).unwrap_or(0),
        failure: None,
    });
    Ok(peer)
}

/// Chooses a peer whose host is a name, and measures how long that takes.
///
/// *Kong parity*: the time belongs to the access phase.
async fn resolve_measured(worker: &Worker, exchange: &mut Exchange) -> Result<Peer, ProxyError> {
    let host = String::from_utf8_lossy(&exchange.upstream.host).into_owned();
    for name in ["access", "dns", &host, "resolve"] {
        request_debug::enter(exchange, name);
    }
    let mut at_once = true;
    let mut picking = worker.peers.pick(exchange);
    let picked = poll_fn(|cx| {
        let picked = picking.as_mut().poll(cx);
        at_once &= picked.is_ready();
        picked
    })
    .await;
    drop(picking);
    if let Some(timing) = &mut exchange.timing {
        timing.note("cache_hit", at_once);
    }
    (0..4).for_each(|_| request_debug::leave(exchange));
    picked
}

/// Notes why the last try failed, for plugins, the log and whoever chose its peer.
fn note_failure(worker: &Worker, exchange: &mut Exchange, error: &ProxyError) {
    let code = error.status();
    if let Some(last) = exchange.upstream.tries.last_mut() {
        last.failure = Some(PeerFailure { state: "failed", code });
    }
    match error {
        ProxyError::ConnectTimeout
        | ProxyError::HandshakeTimeout
        | ProxyError::WriteTimeout
        | ProxyError::ReadTimeout => {
            worker.peers.report(exchange, Outcome::TimedOut);
        }
        ProxyError::Connect(_)
        | ProxyError::Tls(_)
        | ProxyError::CertificateName(_)
        | ProxyError::CertificateDistrusted(_)
        | ProxyError::UpstreamClosed(_) => {
            worker.peers.report(exchange, Outcome::Failed);
        }
        ProxyError::InvalidResponse(_) => worker.peers.report(exchange, Outcome::Status(code)),
        _ => return worker.peers.report(exchange, Outcome::Abandoned),
    }
    log::error!(&crate::proxy::LogContext(exchange) => "{error}");
}

/// One try.
struct Attempt {
    /// Whether the peer may have seen the request.
    sent: bool,
    /// Whether a part of the client's body is gone that was not kept.
    streamed: bool,
}

impl Attempt {
    async fn run<D: Downstream>(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
        client: &mut D,
        peer: &Peer,
        mut source: Option<&mut Box<dyn BodySource>>,
    ) -> Result<Answer, ProxyError> {
        let key = pool_key(worker, exchange, peer);
        loop {
            let mut connection = match worker.pool.take(&key) {
                Some(connection) => connection,
                None => self.connect(worker, exchange, client, &key).await?,
            };
            connection.requests += 1;
            let reused = connection.is_reused();
            exchange.upstream.reused = reused;
            let mut body = mem::take(&mut exchange.request.body);
            let result =
                self.ask(worker, exchange, client, peer, connection, &mut body, source.as_deref_mut()).await;
            exchange.request.body = body;
            match result {
                // The peer closed an idle connection as we took it: no try was made of it.
                Err(ProxyError::UpstreamClosed(_))
                    if reused && !self.streamed && exchange.request.head.method.is_idempotent() =>
                {
                    self.sent = false;
                }
                result => return result,
            }
        }
    }

    async fn connect<D: Downstream>(
        &self,
        worker: &Worker,
        exchange: &Exchange,
        client: &mut D,
        key: &PoolKey,
    ) -> Result<Connection, ProxyError> {
        let timeout = exchange.upstream.timeouts.connect;
        if let Some(Identity::Entity(id)) = key.tls.as_ref().map(|tls| &tls.identity) {
            Box::pin(worker.plugins.resolve_certificate(&exchange.snapshot, id)).await;
        }
        // Boxed: connecting is rare, and its future large.
        let mut connecting = Box::pin(connect::connect(key.clone(), &worker.upstream_tls, timeout));
        poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Ready(connected) => Poll::Ready(connected),
            Poll::Pending => client.poll_gone(cx).map(|()| Err(ProxyError::ClientGone)),
        })
        .await
    }

    /// Sends the request over a connection and waits for the final response head.
    #[allow(clippy::too_many_arguments)] // one call site; the parts are borrowed apart
    async fn ask<D: Downstream>(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
        client: &mut D,
        peer: &Peer,
        mut connection: Connection,
        body: &mut RequestBody,
        source: Option<&mut Box<dyn BodySource>>,
    ) -> Result<Answer, ProxyError> {
        let streams = source.is_some();
        let mut payload = Payload::of(body, source)?;
        let request_id = worker.settings.headers_upstream_request_id;
        request_head::write(connection.wire.output(), exchange, peer, &payload, request_id);
        self.sent = true;
        self.streamed = streams;
        let timeouts = exchange.upstream.timeouts;
        let head_max = worker.settings.proxy_buffer_size;
        let mut sending = Sending::new(&mut connection, &mut payload, timeouts, head_max);
        loop {
            let head = &mut exchange.response.head;
            poll_fn(|cx| match sending.poll(cx, head) {
                Poll::Pending => client.poll_gone(cx).map(|()| Err(ProxyError::ClientGone)),
                ready => ready,
            })
            .await?;
            match exchange.response.head.status {
                101 if exchange.request.websocket => break,
                101 => return Err(ProxyError::InvalidResponse("switching protocols without being asked to")),
                // The gateway itself told the client to continue.
                100 => {}
                102..=199 => client.inform(&exchange.response.head),
                _ => break,
            }
        }
        let finished = sending.finished;
        answer(exchange, connection, finished)
    }
}

/// The response whose head has come.
fn answer(exchange: &mut Exchange, connection: Connection, sent_all: bool) -> Result<Answer, ProxyError> {
    let ResponseHead { status, version, ref fields, .. } = exchange.response.head;
    let framing = Framing::of_response(exchange.request.head.method, status, version, fields)?;
    exchange.upstream.status = status;
    let reusable = sent_all
        && status != 101
        && framing != Framing::UntilClose
        && Answer::keeps_alive(&exchange.response.head);
    Ok(Answer::new(connection, Incoming::new(framing), exchange.upstream.timeouts.read, reusable))
}

/// The key under which a connection for this request is pooled.
fn pool_key(worker: &Worker, exchange: &Exchange, peer: &Peer) -> PoolKey {
    if exchange.upstream.scheme == Scheme::Http {
        return PoolKey { address: peer.address, tls: None };
    }
    let upstream = &exchange.upstream;
    let verify = upstream.tls_verify.unwrap_or(worker.settings.proxy_ssl_verify);
    let service = upstream.service.and_then(|index| exchange.snapshot.services.get(index));
    let authorities = || match &upstream.authorities {
        Some(brought) => Authorities::Brought(brought.clone()),
        None => Authorities::Entities(service.map(|s| s.ca_certificates.clone()).unwrap_or_default()),
    };
    let identity = match (&upstream.identity, &upstream.client_certificate) {
        (Some(brought), _) => Identity::Brought(brought.clone()),
        (None, Some(id)) => Identity::Entity(id.clone()),
        (None, None) => Identity::Configured,
    };
    let depth = upstream.tls_verify_depth.unwrap_or(worker.settings.proxy_ssl_verify_depth);
    PoolKey {
        address: peer.address,
        tls: Some(Rc::new(TlsKey {
            sni: server_name(exchange, peer).into(),
            identity,
            verified: verify.then(|| (depth, authorities())),
            version: worker.upstream_tls.version(),
        })),
    }
}
