//! What the client asked.

use super::{Address, RequestBody};
use crate::http::{Fields, Known, RequestHead, Scheme, Version, nginx_uri};
use std::borrow::Cow;

/// The request of an exchange: what was received, and what plugins made of it.
///
/// `head.target` stays as received; a changed path or query stands in `rewritten` and `args`. Method and
/// field lines are changed in place, as nginx does, and go to the upstream so.
#[derive(Default)]
pub struct Request {
    /// Method, target, version, field lines.
    pub head: RequestHead,
    /// The head as it was received, start line to empty line, when the protocol has one.
    pub raw_head: Vec<u8>,
    /// The body.
    pub body: RequestBody,
    /// The host asked for, in lower case and without port: `ngx.var.host`.
    pub host: Vec<u8>,
    /// The normalised path that the router matches.
    pub path: Vec<u8>,
    /// The path that a plugin gave by `ngx.req.set_uri`; as in Kong it changes variables, and not where requests go.
    pub rewritten: Option<Vec<u8>>,
    /// The query when a plugin replaced it (`None` inside: removed); otherwise the target's.
    pub args: Option<Option<Vec<u8>>>,
    /// Whom `real_ip_header` named as the one who asks; see [`super::Exchange::remote`].
    pub remote: Option<Address>,
    /// The scheme, host, port, path and prefix that forwarding headers carry on.
    pub forwarded: Forwarded,
    /// Bytes received for this request, head and body: `$request_length`.
    pub length: u64,
    /// Whether this is a gRPC request: HTTP/2 and a content type that begins with `application/grpc`.
    pub grpc: bool,
    /// Whether the client asks to switch to WebSocket.
    pub websocket: bool,
}

/// The client's view of the request's origin, after `trusted_ips` was asked.
#[derive(Debug, Clone, Default)]
pub struct Forwarded {
    /// `X-Forwarded-For` where a plugin gave it; else the client's with its address added.
    pub chain: Option<Vec<u8>>,
    /// `X-Forwarded-Proto`.
    pub scheme: Scheme,
    /// `X-Forwarded-Host`.
    pub host: Vec<u8>,
    /// `X-Forwarded-Port`.
    pub port: u16,
    /// `X-Forwarded-Path`.
    pub path: Vec<u8>,
    /// `X-Forwarded-Prefix`; empty for none.
    pub prefix: Vec<u8>,
    /// Whether the peer is one of `trusted_ips`: its own fields are then passed on as they are.
    pub trusted: bool,
    /// What the client said, once a plugin of the route has changed any of it.
    pub said: Option<Box<Said>>,
}

/// The fields of a request that the gateway adds to or replaces, as they were before the plugins of the route.
#[derive(Debug, Clone, Default)]
pub struct Said([Option<Vec<u8>>; Said::FIELDS.len()]);

impl Said {
    const FIELDS: [Known; 4] =
        [Known::Via, Known::XForwardedFor, Known::XForwardedPort, Known::XForwardedProto];

    fn of(fields: &Fields) -> Said {
        Said(Said::FIELDS.map(|known| fields.known(known).map(<[u8]>::to_vec)))
    }

    fn value(&self, known: Known) -> Option<&[u8]> {
        let at = Said::FIELDS.iter().position(|one| *one == known)?;
        self.0.get(at)?.as_deref()
    }
}

impl Request {
    /// Whether the client lets the connection stay open after the response.
    pub fn wants_keep_alive(&self) -> bool {
        let holds =
            |value: &[u8], word: &[u8]| value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        let mut alive = self.head.version >= Version::Http11;
        for value in self.head.fields.known_values(Known::Connection) {
            if holds(value, b"close") {
                alive = false;
            } else if holds(value, b"keep-alive") {
                alive = true;
            }
        }
        alive
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn renew(&mut self) {
        self.head.clear();
        self.raw_head.clear();
        self.body = RequestBody::Empty;
        self.host.clear();
        self.path.clear();
        self.rewritten = None;
        self.args = None;
        self.remote = None;
        self.forwarded.chain = None;
        self.forwarded.said = None;
        self.forwarded.host.clear();
        self.forwarded.path.clear();
        self.forwarded.prefix.clear();
        self.length = 0;
        self.grpc = false;
        self.websocket = false;
    }

    /// Keeps what the client said before a plugin of the route changes the field `name`.
    ///
    /// *Kong parity*: what the upstream is told of the request's origin is fixed before the access phase.
    pub fn keep_said(&mut self, name: &[u8]) {
        if self.forwarded.said.is_none() && Said::FIELDS.contains(&Known::of(name)) {
            self.forwarded.said = Some(Box::new(Said::of(&self.head.fields)));
        }
    }

    /// A field as the client sent it, or as global plugins made it in the rewrite phase: one of those of [`Said`].
    pub fn said(&self, known: Known) -> Option<&[u8]> {
        match &self.forwarded.said {
            Some(said) => said.value(known),
            None => self.head.fields.known(known),
        }
    }

    /// `$uri`: a plugin's path, or the target's as nginx decodes it.
    pub fn uri(&self) -> Cow<'_, [u8]> {
        match &self.rewritten {
            Some(path) => Cow::Borrowed(path),
            None => nginx_uri::decode(self.head.path()).unwrap_or(Cow::Borrowed(&self.path)),
        }
    }

    /// The query in force: a plugin's, or the target's.
    pub fn query(&self) -> Option<&[u8]> {
        match &self.args {
            Some(args) => args.as_deref(),
            None => self.head.query(),
        }
    }
}
