//! Routes at run time.

use super::build::protocols;
use super::{Service, read};
use crate::db::Entity;
use crate::router::{Endpoint, PathHandling, Protocol, RouteSpec};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

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
    pub entity: Arc<Entity>,
}

impl Route {
    /// The run-time form of a stored route whose service has this place.
    pub(super) fn of(entity: Arc<Entity>, service: Option<usize>) -> Route {
        let flag = |field, default| read::flag(&entity, field).unwrap_or(default);
        Route {
            id: read::shared(&entity, "id").unwrap_or_else(|| "".into()),
            name: read::shared(&entity, "name"),
            service,
            protocols: protocols(&entity),
            https_redirect_status: read::integer(&entity, "https_redirect_status_code").unwrap_or(426) as u16,
            strip_path: flag("strip_path", true),
            preserve_host: flag("preserve_host", false),
            request_buffering: flag("request_buffering", true),
            response_buffering: flag("response_buffering", true),
            path_handling: path_handling(&entity),
            entity,
        }
    }

    /// What the router is told about the route that stands at `index`.
    pub(super) fn spec(&self, index: usize, service: Option<&Service>) -> RouteSpec {
        let entity = &*self.entity;
        let names = |field| read::texts(entity, field);
        RouteSpec {
            index,
            id: Uuid::parse_str(&self.id).unwrap_or_default(),
            created_at: read::integer(entity, "created_at"),
            protocols: read::list(entity, "protocols")
                .filter_map(Value::as_str)
                .filter_map(Protocol::from_name)
                .collect(),
            hosts: entity.get("hosts").filter(|hosts| hosts.is_array()).map(|_| names("hosts")),
            paths: names("paths"),
            methods: names("methods"),
            headers: headers(entity),
            snis: names("snis"),
            sources: endpoints(entity, "sources"),
            destinations: endpoints(entity, "destinations"),
            regex_priority: read::integer(entity, "regex_priority").unwrap_or(0),
            expression: read::text(entity, "expression").map(str::to_owned),
            priority: read::integer(entity, "priority").unwrap_or(0).max(0) as u64,
            strip_path: self.strip_path,
            path_handling: self.path_handling,
            service_path: service.and_then(|service| service.path.as_deref()).map(str::to_owned),
        }
    }
}

fn path_handling(entity: &Entity) -> PathHandling {
    match read::text(entity, "path_handling") {
        Some("v1") => PathHandling::V1,
        _ => PathHandling::V0,
    }
}

fn headers(entity: &Entity) -> Vec<(String, Vec<String>)> {
    let Some(Value::Object(headers)) = entity.get("headers") else { return Vec::new() };
    headers.keys().map(|name| (name.clone(), read::texts(headers, name))).collect()
}

fn endpoints(entity: &Entity, field: &str) -> Vec<Endpoint> {
    read::list(entity, field)
        .filter_map(Value::as_object)
        .map(|endpoint| Endpoint {
            ip: read::text(endpoint, "ip").map(str::to_owned),
            port: read::integer(endpoint, "port").map(|port| port as u16),
        })
        .collect()
}
