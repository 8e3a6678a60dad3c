//! Output of plugins that leaves before their phase is over (`ngx.flush`).

use super::pipeline::{filter_body, filter_head, filter_pieces};
use super::{Downstream, ProxyError, Worker};
use crate::exchange::output::{self, Passed};
use crate::exchange::{Exchange, Phase, now};
use crate::lua::plugin::PhaseOutcome;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Runs the plugins of a phase and passes on what they want to leave at once.
///
/// *Cancel safety*: dropping the future ends the plugin where it waits.
pub(super) async fn run<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    phase: Phase,
) -> PhaseOutcome {
    exchange.response.streams = phase != Phase::Response;
    let place = std::ptr::from_ref(exchange);
    let mut plugins = pin!(worker.plugins.run(exchange, phase));
    let mut waiting = Vec::new();
    poll_fn(|cx| {
        loop {
            if !waiting.is_empty()
                && let Poll::Ready(sent) = client.poll_flush(cx)
            {
                tell(&mut waiting, if sent.is_ok() { Passed::Sent } else { Passed::Gone });
            }
            if let Poll::Ready(outcome) = plugins.as_mut().poll(cx) {
                output::forget();
                return Poll::Ready(outcome);
            }
            let Some(wanted) = output::wanted(place) else { return Poll::Pending };
            let queued = wanted.with(|exchange| {
                worker.plugins.during_wait(exchange, |exchange| pass_on(worker, exchange, client))
            });
            let mut more = wanted.into_waiting();
            match queued {
                Ok(()) if more.is_empty() => {
                    // Nobody waits for it; what cannot be written now leaves with what follows.
                    let _ = client.poll_flush(cx);
                }
                Ok(()) => waiting.append(&mut more),
                Err(_) => tell(&mut more, Passed::Failed),
            }
        }
    })
    .await
}

fn tell(waiting: &mut Vec<tokio::sync::oneshot::Sender<Passed>>, passed: Passed) {
    for one in waiting.drain(..) {
        // Code that was killed waits no more.
        let _ = one.send(passed);
    }
}

/// Queues what the code has written so far, behind the head if that has not left yet.
pub(super) fn pass_on<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> Result<(), ProxyError> {
    let phase = exchange.phase;
    let passed = queue(worker, exchange, client);
    exchange.phase = phase;
    passed
}

fn queue<D: Downstream>(worker: &Worker, exchange: &mut Exchange, client: &mut D) -> Result<(), ProxyError> {
    if exchange.response.is_over {
        return Ok(());
    }
    if !exchange.response.head_sent {
        exchange.times.header_filter_start = now();
        let _ = filter_head(worker, exchange)?;
        client.head(exchange);
    }
    let is_last = exchange.response.ended;
    let mut body = std::mem::take(&mut exchange.response.body);
    let mut filtered = Ok(());
    if super::pipeline::has_body(exchange) {
        if !body.is_empty() {
            filtered = filter_pieces(worker, exchange, client, &body);
        }
        if is_last && filtered.is_ok() {
            filtered = filter_body(worker, exchange, client, b"", true);
        }
    }
    body.clear();
    exchange.response.body = body;
    filtered?;
    if is_last {
        client.end(exchange);
        exchange.response.is_over = true;
    }
    Ok(())
}
