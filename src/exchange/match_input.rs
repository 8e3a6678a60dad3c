//! What the router may look at.

use super::{Exchange, Request};
use crate::http::query::Args;
use crate::http::{Known, Scheme};
use crate::router::{MatchInput, RequestFields, Scheme as RouterScheme};

impl Exchange {
    /// The request and its connection as the router sees them, borrowed.
    pub fn match_input(&self) -> MatchInput<'_> {
        let (client, request, remote) = (&*self.client, &self.request, self.remote());
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let host = request.head.fields.known(Known::Host);
        // *Kong parity*: a host that is no text matches no route. The router finds none for a path that is no text
        // either, so such a request is given one.
        let path = if host.is_some_and(|host| text(host).is_none()) { &b"\xff"[..] } else { &request.path };
        MatchInput {
            scheme: match client.scheme {
                Scheme::Http => RouterScheme::Http,
                Scheme::Https => RouterScheme::Https,
            },
            method: text(request.head.method.as_bytes()).unwrap_or_default(),
            host: host.and_then(text),
            path,
            fields: request,
            sni: client.tls.as_ref().and_then(|tls| tls.sni.as_deref()),
            src_ip: remote.socket.map(|_| remote.ip()),
            src_port: remote.socket.map(|_| remote.port()),
            dst_ip: client.local.socket.map(|_| client.local.ip()),
            dst_port: client.local.socket.map(|_| client.public_port),
        }
    }
}

impl RequestFields for Request {
    fn each_header(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) {
        for value in self.head.fields.values(name.as_bytes()) {
            if !visit(value) {
                return;
            }
        }
    }

    fn each_query_arg(&self, name: &str, visit: &mut dyn FnMut(Option<&[u8]>) -> bool) {
        let args = Args::new(self.head.query().unwrap_or_default(), 0);
        for arg in args.filter(|arg| *arg.name == *name.as_bytes()) {
            if !visit(arg.value.as_deref()) {
                return;
            }
        }
    }
}
