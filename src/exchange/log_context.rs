//! What error log lines say about the request they are about.

use crate::exchange::{Exchange, Phase};
use crate::observability::{Target, log};

/// An exchange as the error log describes it.
pub struct LogContext<'a>(pub &'a Exchange);

/// What nginx says a connection is doing while Lua code of this phase logs: the end of the message.
///
/// *Kong parity*: it says nothing before the upstream is asked.
pub(super) fn action(exchange: &Exchange) -> &'static [u8] {
    let is_proxied = exchange.response.source == super::Source::Upstream;
    match exchange.phase {
        super::Phase::HeaderFilter if is_proxied => b" while reading response header from upstream",
        super::Phase::BodyFilter if is_proxied => b" while sending to client",
        super::Phase::Log => b" while logging request",
        _ => b"",
    }
}

impl log::Context for LogContext<'_> {
    fn connection(&self) -> Option<u64> {
        Some(self.0.client.serial)
    }

    fn target(&self) -> Option<&Target> {
        None
    }

    fn describe(&self, line: &mut Vec<u8>) {
        let exchange = self.0;
        let head = &exchange.request.head;
        if exchange.phase == Phase::Log {
            line.extend_from_slice(b" while logging request");
        }
        line.extend_from_slice(b", client: ");
        line.extend_from_slice(exchange.remote().text.as_bytes());
        line.extend_from_slice(b", server: kong");
        if !head.target.is_empty() {
            line.extend_from_slice(b", request: \"");
            line.extend_from_slice(head.method.as_bytes());
            line.push(b' ');
            line.extend_from_slice(&head.target);
            line.push(b' ');
            line.extend_from_slice(head.version.as_str().as_bytes());
            line.push(b'"');
        }
        if let Some(tried) = exchange.upstream.tries.last() {
            line.extend_from_slice(b", upstream: \"");
            line.extend_from_slice(exchange.upstream.scheme.as_str().as_bytes());
            line.extend_from_slice(b"://");
            line.extend_from_slice(tried.peer.to_string().as_bytes());
            line.extend_from_slice(&exchange.upstream.path);
            line.push(b'"');
        }
        if let Some(host) = head.fields.known(crate::http::Known::Host) {
            line.extend_from_slice(b", host: \"");
            line.extend_from_slice(host);
            line.push(b'"');
        }
        line.extend_from_slice(b", request_id: \"");
        line.extend_from_slice(exchange.id.as_bytes());
        line.push(b'"');
    }
}
