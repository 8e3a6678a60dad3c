//! The way of a request, from its head to its line in the access log.
//!
//! ```text
//! rewrite → route → access → read body → balancer → send → response head
//!         → header_filter → body through body_filter → log → access log
//! ```
//!
//! Each step may end the way with a response of its own; every way leads through the filters and the
//! log. Plugins are called only for phases that the plan of the exchange has, so a request without
//! them never touches Lua.

use super::phases::{self, run, run_now, runs};
use super::upstream::{Answer, forward};
use super::worker::Worker;
use super::{
    Downstream, LogContext, ProxyError, access_log, buffers, early, error_response, request_debug,
    response_fields, routing,
};
use crate::exchange::{Exchange, Phase, RequestBody, Source, now};
use crate::http::{Known, Method, Version};
use crate::lua::plugin::PhaseOutcome;
use crate::observability::log;
use std::future::poll_fn;
use std::task::Poll;

/// Body bytes from which on a piece is read in large steps.
const LARGE_BODY: usize = 16 * 1024;

/// What follows from a step.
enum Next {
    /// Go on to the upstream.
    Forward,
    /// A response of our own stands in the exchange.
    Respond,
    /// Lua code had the client's connection: nothing is left to do.
    Done,
}

/// Serves one exchange; returns whether the client can be served another on its connection.
pub async fn serve<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    refusal: Option<ProxyError>,
) -> bool {
    let outcome = match refusal {
        Some(error) => Err(error),
        None => answer(worker, exchange, client).await,
    };
    let outcome = match outcome {
        Err(error) => recover(worker, exchange, client, error).await,
        Ok(()) => Ok(()),
    };
    finish(worker, exchange, client);
    outcome.is_ok()
}

/// The way itself.
async fn answer<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    match prepare(worker, exchange, client).await? {
        Next::Forward => {
            exchange.response.set_early_aside();
            if exchange.lua.buffered {
                request_debug::enter(exchange, "response");
            }
            match forward::forward(worker, exchange, client).await {
                Ok(received) => relay(worker, exchange, client, received).await,
                Err(error) => {
                    exchange.response.head.fields.clear();
                    exchange.response.restore_early();
                    Err(error)
                }
            }
        }
        Next::Respond if wants_close(exchange) => {
            client.abort();
            Ok(())
        }
        Next::Respond => {
            error_response::finish_bare(worker, exchange);
            respond(worker, exchange, client).await
        }
        Next::Done => {
            client.abort();
            flush(client).await
        }
    }
}

/// Everything before the upstream is contacted.
async fn prepare<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<Next, ProxyError> {
    request_debug::begin(exchange, &worker.settings);
    request_debug::enter(exchange, "rewrite");
    let outcome = run(worker, exchange, client, Phase::Rewrite).await;
    request_debug::leave(exchange);
    if exchange.response.is_raw {
        return Ok(Next::Done);
    }
    if outcome == PhaseOutcome::Failed {
        return Err(ProxyError::PluginFailed);
    }
    if is_answered(exchange) {
        return Ok(Next::Respond);
    }
    request_debug::enter(exchange, "access");
    let next = access(worker, exchange, client).await;
    request_debug::leave(exchange);
    next
}

/// Routing, the plugins of the route, and the request body.
async fn access<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<Next, ProxyError> {
    request_debug::enter(exchange, "router");
    exchange.times.router_start = now();
    let refusal = routing::route(exchange, &worker.settings);
    request_debug::leave(exchange);
    if let Some(refusal) = refusal {
        refusal.tell(worker, exchange);
        return Ok(Next::Respond);
    }
    if let Some(timing) = &mut exchange.timing {
        let workspace = exchange.snapshot.dataset.as_ref().map(|dataset| dataset.default_workspace());
        timing.note_request("workspace_id", workspace);
    }
    // A plugin that wants the whole response gets it, without having to ask.
    exchange.lua.buffered = runs(exchange, Phase::Response);
    exchange.times.access_start = now();
    let outcome = phases::access(worker, exchange, client).await;
    exchange.times.access_end = now();
    if exchange.response.is_raw {
        return Ok(Next::Done);
    }
    if outcome == PhaseOutcome::Failed {
        if exchange.response.head_sent {
            return Err(ProxyError::PluginFailed);
        }
        error_response::unexpected(worker, exchange);
    }
    if outcome != PhaseOutcome::Continue || is_answered(exchange) {
        return Ok(Next::Respond);
    }
    if exchange.upstream.host.is_empty() {
        error_response::tell(worker, exchange, 503, "no Service found with those values");
        return Ok(Next::Respond);
    }
    if routing::speaks_grpc(exchange) {
        return Err(ProxyError::Internal("gRPC upstreams are not served yet".to_owned()));
    }
    if let Err(error) = read_body(worker, exchange).await {
        // *Kong parity*: from here on the request counts as proxied.
        exchange.lua.proxied = true;
        return Err(error);
    }
    Ok(Next::Forward)
}

/// Whether a plugin ended the request.
fn is_answered(exchange: &Exchange) -> bool {
    exchange.response.source != Source::None
}

/// Whether a plugin has the connection closed without a response: by the statuses with which nginx does so.
fn wants_close(exchange: &Exchange) -> bool {
    let response = &exchange.response;
    let closes = match response.head.status {
        444 => true,
        408 | 499 => response.wants_page,
        _ => false,
    };
    closes && !response.head_sent && matches!(response.source, Source::Script | Source::Exit)
}

/// Reads the whole request body first, unless the route streams it.
///
/// *Kong parity*: `request_buffering`; the upstream then gets a length even for a chunked request.
async fn read_body(worker: &Worker, exchange: &mut Exchange) -> Result<(), ProxyError> {
    let streams = routing::matched_route(exchange).is_some_and(|route| !route.request_buffering);
    if streams {
        // What has come whole already has a length.
        if let RequestBody::Unread(source) = &mut exchange.request.body
            && let Some(whole) = source.take_whole()?
        {
            exchange.request.body = RequestBody::Memory(whole);
        }
        return Ok(());
    }
    let Some(source) = exchange.request.body.take_source() else { return Ok(()) };
    let settings = &worker.settings;
    let read = RequestBody::read_all(source, settings.client_body_buffer_size, &settings.spool);
    exchange.request.body = Box::pin(read).await?;
    Ok(())
}

/// Sends a response that the gateway made: `exchange.response` holds status, fields and body.
async fn respond<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    if exchange.response.head_sent {
        return finish_early(worker, exchange, client).await;
    }
    if exchange.response.begun
        && exchange.request.head.version < Version::Http11
        && has_body(exchange)
        && !exchange.response.head.fields.has(Known::ContentLength)
    {
        // The client could not tell the end otherwise but by that of the connection.
        error_response::set_length(exchange);
    }
    exchange.times.header_filter_start = now();
    // A response that `header_filter` put in place of this one stands in the exchange as well.
    let _ = filter_head(worker, exchange)?;
    send_own(worker, exchange, client).await
}

/// Ends a response of which a plugin has sent the head already, and maybe more.
async fn finish_early<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    exchange.response.ended = true;
    early::pass_on(worker, exchange, client)?;
    flush(client).await
}

/// Sends the filtered head and the body that stands in the exchange.
async fn send_own<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    client.head(exchange);
    let body = std::mem::take(&mut exchange.response.body);
    filter_own(worker, exchange, client, &body)?;
    exchange.response.body = body;
    client.end(exchange);
    flush(client).await
}

/// Queues the body of a response made here.
///
/// *Kong parity*: filters see it and then, apart from it, its end; a page of nginx's comes with its end.
/// They see nothing of a response that has no body by its method or status.
fn filter_own<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    body: &[u8],
) -> Result<(), ProxyError> {
    if !has_body(exchange) {
        return Ok(());
    }
    let is_whole = body.is_empty() || exchange.response.is_page || !runs(exchange, Phase::BodyFilter);
    if is_whole {
        return filter_body(worker, exchange, client, body, true);
    }
    filter_pieces(worker, exchange, client, body)?;
    filter_body(worker, exchange, client, b"", true)
}

/// Queues a body as the pieces that Lua code wrote it in.
pub(super) fn filter_pieces<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    body: &[u8],
) -> Result<(), ProxyError> {
    let mut starts = std::mem::take(&mut exchange.response.pieces);
    let mut from = 0;
    for to in starts.iter().copied().chain([body.len()]) {
        filter_body(worker, exchange, client, body.get(from..to).unwrap_or_default(), false)?;
        from = to;
    }
    starts.clear();
    exchange.response.pieces = starts;
    Ok(())
}

/// Whether a response made here has a body, by the request's method and its own status.
pub(super) fn has_body(exchange: &Exchange) -> bool {
    exchange.request.head.method != Method::HEAD && !matches!(exchange.response.head.status, 204 | 304)
}

/// Sends a response that no plugin may touch, because one of them is to blame for it.
async fn respond_unfiltered<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    response_fields::add_own(exchange, &worker.settings);
    exchange.response.head_sent = true;
    client.head(exchange);
    client.data(&exchange.response.body);
    client.end(exchange);
    flush(client).await
}

/// Passes the upstream's response on.
async fn relay<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    mut answer: Answer,
) -> Result<(), ProxyError> {
    exchange.times.header_filter_start = now();
    exchange.response.source = Source::Upstream;
    if runs(exchange, Phase::HeaderFilter) || runs(exchange, Phase::Log) || exchange.lua.buffered {
        exchange.upstream.received.clone_from(&exchange.response.head.fields);
    }
    let switched = exchange.response.head.status == 101;
    response_fields::keep_end_to_end(exchange, switched || exchange.request.websocket);
    exchange.response.restore_early();
    if exchange.lua.buffered && !exchange.request.websocket {
        return respond_buffered(worker, exchange, client, answer).await;
    } else if exchange.lua.buffered {
        log::notice!(&LogContext(exchange) => "response buffering was turned off: connection upgrade (websocket)");
        exchange.lua.buffered = false;
    }
    exchange.response.head.fields.reserve_server();
    if filter_head(worker, exchange)? == PhaseOutcome::Exited {
        return send_own(worker, exchange, client).await;
    }
    client.head(exchange);
    if switched {
        flush(client).await?;
        return client.tunnel(answer).await;
    }
    relay_body(worker, exchange, client, &mut answer).await?;
    answer.take_trailers(&mut exchange.response.trailers)?;
    client.end(exchange);
    // The upstream's part is over before the client's: its connection may serve another meanwhile.
    answer.release(&worker.pool);
    flush(client).await
}

/// Passes the body on, piece by piece, no faster than the client takes it.
///
/// *Kong parity*: no filter runs for the answer to HEAD.
async fn relay_body<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    answer: &mut Answer,
) -> Result<(), ProxyError> {
    let bodiless = exchange.request.head.method == Method::HEAD;
    let filtered = !bodiless && (runs(exchange, Phase::BodyFilter) || exchange.timing.is_some());
    let mut room = buffers::USUAL / 2;
    let mut passed = 0;
    loop {
        while let Some(len) = answer.data()? {
            if filtered {
                filter_body(worker, exchange, client, answer.bytes(len), false)?;
            } else {
                client.data(answer.bytes(len));
            }
            answer.consume(len);
            passed += len;
            if client.queued() >= buffers::LARGE {
                flush(client).await?;
            }
        }
        if answer.is_over() {
            break;
        }
        if passed >= LARGE_BODY {
            room = buffers::LARGE;
        }
        more(client, answer, room).await?;
    }
    if filtered {
        filter_body(worker, exchange, client, b"", true)?;
    }
    Ok(())
}

/// Waits for more of the body. What the client has not got yet is sent first when none is at hand.
async fn more<D: Downstream>(client: &mut D, answer: &mut Answer, room: usize) -> Result<(), ProxyError> {
    if client.queued() > 0 {
        let at_hand = poll_fn(|cx| match answer.poll_more(cx, room) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(read) = at_hand.await {
            return read;
        }
        flush(client).await?;
    }
    poll_fn(|cx| match answer.poll_more(cx, room) {
        Poll::Pending => client.poll_gone(cx).map(|()| Err(ProxyError::ClientGone)),
        ready => ready,
    })
    .await
}

/// Reads the whole response, lets the `response` phase have it, and sends what became of it.
async fn respond_buffered<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    mut answer: Answer,
) -> Result<(), ProxyError> {
    let mut body = std::mem::take(&mut exchange.response.body);
    while !answer.is_over() {
        while let Some(len) = answer.data()? {
            body.extend_from_slice(answer.bytes(len));
            answer.consume(len);
        }
        if !answer.is_over() {
            poll_fn(|cx| match answer.poll_more(cx, buffers::LARGE) {
                Poll::Pending => client.poll_gone(cx).map(|()| Err(ProxyError::ClientGone)),
                ready => ready,
            })
            .await?;
        }
    }
    exchange.response.body = body;
    answer.release(&worker.pool);
    response_fields::set_anew(&mut exchange.response.head);
    if run(worker, exchange, client, Phase::Response).await == PhaseOutcome::Failed {
        return Err(ProxyError::PluginFailed);
    }
    let has_length = exchange.upstream.received.has(Known::ContentLength);
    let is_own = exchange.response.source != Source::Upstream;
    if exchange.request.head.method != Method::HEAD && (has_length || is_own) {
        let length = exchange.response.body.len();
        let fields = &mut exchange.response.head.fields;
        fields.set(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
    }
    respond(worker, exchange, client).await
}

/// The head's last steps: the gateway's own fields around the plugins' `header_filter`.
///
/// `Exited` tells that one of them put a response of its own in place of the upstream's.
pub(super) fn filter_head(worker: &Worker, exchange: &mut Exchange) -> Result<PhaseOutcome, ProxyError> {
    let settings = &worker.settings;
    request_debug::enter(exchange, "header_filter");
    response_fields::add_before_plugins(exchange, settings);
    if settings.allow_debug_header && exchange.request.head.fields.has(Known::KongDebug) {
        response_fields::add_debug(exchange);
    }
    let mut outcome = run_now(worker, exchange, Phase::HeaderFilter);
    if outcome == PhaseOutcome::Failed {
        return Err(ProxyError::PluginFailed);
    }
    if std::mem::take(&mut exchange.response.is_replaced) {
        error_response::finish_bare(worker, exchange);
        outcome = PhaseOutcome::Exited;
    }
    response_fields::add_own(exchange, settings);
    let head = &mut exchange.response.head;
    response_fields::add_charset(&mut head.fields, head.status, settings.charset.as_deref());
    request_debug::leave(exchange);
    request_debug::tell_client(exchange);
    exchange.response.head_sent = true;
    exchange.response.chunk.over = false;
    exchange.times.body_filter_start = now();
    Ok(outcome)
}

/// Queues a piece of the body, through `body_filter` when the plan has it.
pub(super) fn filter_body<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    piece: &[u8],
    eof: bool,
) -> Result<(), ProxyError> {
    request_debug::enter(exchange, "body_filter");
    let filtered = filter_piece(worker, exchange, client, piece, eof);
    request_debug::leave(exchange);
    filtered
}

/// *Kong parity*: a filter that says of a piece that it is the last sees no other, and the client gets no more.
fn filter_piece<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    piece: &[u8],
    eof: bool,
) -> Result<(), ProxyError> {
    if !runs(exchange, Phase::BodyFilter) {
        client.data(piece);
        return Ok(());
    }
    let chunk = &mut exchange.response.chunk;
    if chunk.over {
        return Ok(());
    }
    chunk.data.clear();
    chunk.data.extend_from_slice(piece);
    chunk.eof = eof;
    if run_now(worker, exchange, Phase::BodyFilter) == PhaseOutcome::Failed {
        return Err(ProxyError::PluginFailed);
    }
    let chunk = &mut exchange.response.chunk;
    chunk.over = chunk.eof;
    client.data(&chunk.data);
    Ok(())
}

async fn flush<D: Downstream>(client: &mut D) -> Result<(), ProxyError> {
    poll_fn(|cx| client.poll_flush(cx)).await
}

/// Turns an error into a response, if the client can still be told.
///
/// *Errors*: the connection is of no more use.
async fn recover<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    error: ProxyError,
) -> Result<(), ProxyError> {
    note(exchange, &error);
    if exchange.response.head_sent {
        if error.origin() != super::Origin::Client {
            // What came before the failure is the client's.
            let _ = flush(client).await;
        }
        client.abort();
        return Err(error);
    }
    if error.is_silent() {
        exchange.response.head.status = error.status();
        client.abort();
        return Err(error);
    }
    error_response::underneath(worker, exchange, &error);
    if matches!(error, ProxyError::PluginFailed) {
        return respond_unfiltered(worker, exchange, client).await;
    }
    respond(worker, exchange, client).await
}

/// Logs an error as nginx does: what clients do wrong is information, the rest an error. What befell
/// single tries is logged already.
fn note(exchange: &Exchange, error: &ProxyError) {
    match error.origin() {
        super::Origin::Client => log::info!(&LogContext(exchange) => "{error}"),
        super::Origin::Gateway => log::error!(&LogContext(exchange) => "{error}"),
        super::Origin::Upstream if exchange.response.head_sent => {
            log::error!(&LogContext(exchange) => "{}", error.while_reading_body());
        }
        super::Origin::Upstream => {}
    }
}

/// After the last byte: the `log` phase and the access log.
fn finish<D: Downstream>(worker: &Worker, exchange: &mut Exchange, client: &mut D) {
    exchange.times.response_end = now();
    exchange.request.length += client.received();
    (exchange.response.body_sent, exchange.response.sent) = client.sent();
    // One plugin that throws keeps no other from logging; the runner sees to that.
    if let Some(timing) = &mut exchange.timing {
        timing.leave_to(0);
        timing.enter("log");
    }
    let _ = run_now(worker, exchange, Phase::Log);
    exchange.lua.held.clear();
    if exchange.timing.is_some() {
        request_debug::leave(exchange);
        exchange.phase = Phase::Log;
        request_debug::tell_log(exchange);
    }
    access_log::write(worker, exchange);
}
