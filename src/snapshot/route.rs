//! Routes at run time.

use serde_json::{Map, Value};
use std::sync::Arc;

/// How a service's path and a request's are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathHandling {
    /// Kong's default: the paths are joined with one slash.
    #[default]
    V0,
    /// Plain concatenation; honoured by the `traditional` router flavor only.
    V1,
}

/// A set of route protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protocols(u16);

impl Protocols {
    /// `http`.
    pub const HTTP: Protocols = Protocols(1);
    /// `https`.
    pub const HTTPS: Protocols = Protocols(2);
    /// `grpc`.
    pub const GRPC: Protocols = Protocols(4);
    /// `grpcs`.
    pub const GRPCS: Protocols = Protocols(8);
    /// `tcp`.
    pub const TCP: Protocols = Protocols(16);
    /// `tls`.
    pub const TLS: Protocols = Protocols(32);
    /// `tls_passthrough`.
    pub const TLS_PASSTHROUGH: Protocols = Protocols(64);
    /// `udp`.
    pub const UDP: Protocols = Protocols(128);
    /// `ws`.
    pub const WS: Protocols = Protocols(256);
    /// `wss`.
    pub const WSS: Protocols = Protocols(512);

    /// The protocol of that name; the empty set for an unknown one.
    pub fn named(name: &str) -> Protocols {
        match name {
            "http" => Protocols::HTTP,
            "https" => Protocols::HTTPS,
            "grpc" => Protocols::GRPC,
            "grpcs" => Protocols::GRPCS,
            "tcp" => Protocols::TCP,
            "tls" => Protocols::TLS,
            "tls_passthrough" => Protocols::TLS_PASSTHROUGH,
            "udp" => Protocols::UDP,
            "ws" => Protocols::WS,
            "wss" => Protocols::WSS,
            _ => Protocols::default(),
        }
    }

    /// Both sets together.
    pub const fn with(self, other: Protocols) -> Protocols {
        Protocols(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Protocols) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the two sets share a protocol.
    pub const fn intersects(self, other: Protocols) -> bool {
        self.0 & other.0 != 0
    }
}

/// A route, its fields as the request path wants them. What it matches on is the router's.
#[derive(Debug)]
pub struct Route {
    /// Primary key.
    pub id: Arc<str>,
    /// Its name, when it has one.
    pub name: Option<Arc<str>>,
    /// Index of its service.
    pub service: Option<usize>,
    /// Protocols it takes.
    pub protocols: Protocols,
    /// 426 for an upgrade notice, 301, 302, 307 or 308 for a redirect to https.
    pub https_redirect_status: u16,
    /// Whether the matched prefix is taken off the upstream's path.
    pub strip_path: bool,
    /// Whether the client's `Host` goes to the upstream.
    pub preserve_host: bool,
    /// Whether the request body is read whole before the upstream is contacted.
    pub request_buffering: bool,
    /// Whether the response body is read ahead of the client.
    pub response_buffering: bool,
    /// How paths are joined.
    pub path_handling: PathHandling,
    /// The entity as stored, for `kong.router.get_route()` and logs.
    pub entity: Arc<Map<String, Value>>,
}
