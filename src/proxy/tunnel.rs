//! Bytes both ways, after a switch of protocols.

use super::client::Link;
use super::upstream::Answer;
use super::wire::WireError;
use super::{ProxyError, Wire, buffers};
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Relays until either side ends, and returns how many bytes went to the client.
///
/// *Kong parity*: what one side has sent before it ended still reaches the other; then both are closed.
/// The service's read timeout is the longest silence of each side.
///
/// *Errors*: [`ProxyError::ReadTimeout`] after a silence.
pub async fn relay(client: &RefCell<Link>, mut upstream: Answer) -> Result<u64, ProxyError> {
    let silence = upstream.read_timeout();
    let before = client.borrow().wire.written;
    poll_fn(|cx| {
        let mut link = client.borrow_mut();
        let near = &mut link.wire;
        let far = &mut upstream.connection.wire;
        let up = pump(cx, near, far, silence);
        let down = pump(cx, far, near, silence);
        match (up, down) {
            (Poll::Ready(ended), _) | (_, Poll::Ready(ended)) => Poll::Ready(ended),
            _ => Poll::Pending,
        }
    })
    .await?;
    let written = client.borrow().wire.written;
    Ok(written - before)
}

/// Moves bytes one way; ready when that way has ended.
fn pump(cx: &mut Context<'_>, from: &mut Wire, to: &mut Wire, silence: u64) -> Poll<Result<(), ProxyError>> {
    loop {
        if to.queued() == 0 && !from.unread().is_empty() {
            let unread = from.unread().len();
            to.output().extend_from_slice(from.unread());
            from.consume(unread);
            to.writing.set(silence);
        }
        if to.queued() > 0 {
            match to.poll_flush(cx) {
                Poll::Ready(Ok(())) => to.writing.clear(),
                Poll::Ready(Err(WireError::Late)) => return Poll::Ready(Err(ProxyError::ReadTimeout)),
                Poll::Ready(Err(WireError::Io(_))) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
            continue;
        }
        match from.poll_fill(cx, buffers::USUAL) {
            Poll::Ready(Ok(0) | Err(WireError::Io(_))) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(WireError::Late)) => return Poll::Ready(Err(ProxyError::ReadTimeout)),
            // Either side's word keeps both alive.
            Poll::Ready(Ok(_)) => {
                from.reading.set(silence);
                to.reading.set(silence);
            }
            Poll::Pending => return Poll::Pending,
        }
    }
}
