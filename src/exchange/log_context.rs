//! What error log lines say about the request they are about.

use crate::exchange::{Exchange, Phase, Source};
use crate::observability::{Target, log};

/// An exchange as the error log describes it.
pub struct LogContext<'a>(pub &'a Exchange);

/// What nginx says a connection is doing while Lua code of this phase logs: the end of the message. Of the `log`
/// phase all lines say so, see [`LogContext`].
///
/// *Kong parity*: it says nothing before the upstream is asked.
pub(super) fn action(exchange: &Exchange) -> &'static [u8] {
    let is_proxied = exchange.response.source == Source::Upstream;
    match exchange.phase {
        Phase::HeaderFilter if is_proxied => b" while reading response header from upstream",
        Phase::BodyFilter if is_proxied => b" while sending to client",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Address, Client, Request};
    use crate::http::Scheme;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    #[test]
    fn what_a_connection_does_is_said_once() {
        let client = Client {
            serial: 7,
            peer: Address::inet("10.1.2.3:4567".parse().unwrap()),
            local: Address::inet("127.0.0.1:8000".parse().unwrap()),
            public_port: 8000,
            scheme: Scheme::Http,
            tls: None,
            proxy_protocol: None,
            raw: Default::default(),
            requests: Cell::new(1),
        };
        let mut exchange = Exchange::new(Rc::new(client), Arc::default(), Request::default());
        exchange.response.source = Source::Upstream;
        for (phase, said) in [
            (Phase::Access, "message, client: 10.1.2.3"),
            (Phase::HeaderFilter, "message while reading response header from upstream, client: 10.1.2.3"),
            (Phase::BodyFilter, "message while sending to client, client: 10.1.2.3"),
            (Phase::Log, "message while logging request, client: 10.1.2.3"),
        ] {
            exchange.phase = phase;
            let mut line = b"message".to_vec();
            line.extend_from_slice(action(&exchange));
            log::Context::describe(&LogContext(&exchange), &mut line);
            assert!(line.starts_with(said.as_bytes()), "{}", String::from_utf8_lossy(&line));
        }
    }
}
