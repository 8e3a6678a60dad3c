//! What the pipeline needs of a client, whatever protocol it speaks.

use super::ProxyError;
use crate::exchange::Exchange;
use crate::http::ResponseHead;
use crate::proxy::upstream::Answer;
use std::future::Future;
use std::task::{Context, Poll};

/// The client's end of one exchange.
///
/// Heads and data are queued, then flushed: a small response leaves in one write.
pub trait Downstream {
    /// Ready once the client has gone away; never while its body is still being read.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Queues an informational response.
    fn inform(&mut self, head: &ResponseHead);

    /// Queues the response head of the exchange, and settles how its body is framed: by the length
    /// that its fields tell, or as the protocol can without one.
    fn head(&mut self, exchange: &mut Exchange);

    /// Queues a piece of the body.
    fn data(&mut self, bytes: &[u8]);

    /// Queues the end of the body, with the trailers of the exchange.
    fn end(&mut self, exchange: &Exchange);

    /// Bytes queued.
    fn queued(&self) -> usize;

    /// Sends what is queued.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>>;

    /// Bytes of body, and bytes in all, that were sent for this exchange.
    fn sent(&self) -> (u64, u64);

    /// Bytes of request body that were read.
    fn received(&self) -> u64;

    /// Gives up on a response that cannot be completed: the client sees that it was cut off.
    fn abort(&mut self);

    /// Relays bytes both ways after a switch of protocols, until either side ends.
    fn tunnel(&mut self, upstream: Answer) -> impl Future<Output = Result<(), ProxyError>>;
}
