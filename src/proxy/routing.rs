//! From a request head to a route and its service.

use super::settings::Settings;
use super::{Worker, error_response, forwarded};
use crate::exchange::{Exchange, Request, Source, Upstream};
use crate::http::{Known, Scheme, Version, uri};
use crate::router::{PathPart, UpstreamPath};
use crate::snapshot::{Protocols, Route, Service};
use std::borrow::Cow;

/// Why a request does not go on to the plugins of a route.
#[derive(Debug)]
pub enum Refusal {
    /// No route matches: 404.
    NoRoute,
    /// The route takes https only: 426, or a redirect with this status.
    HttpsOnly(u16),
    /// A gRPC route, but no gRPC request: 415.
    NotGrpc,
    /// A gRPC request over HTTP/1: 426.
    NeedsHttp2,
    /// A gRPC request without TLS on a route that wants it: a gRPC status.
    NeedsTls,
}

/// Matches a request, and fills in where it goes. `Some` tells why it goes nowhere.
pub fn route(exchange: &mut Exchange, settings: &Settings) -> Option<Refusal> {
    let matched = exchange.snapshot.router.find(&exchange.match_input());
    exchange.matched = matched;
    let Some(matched) = matched else { return Some(Refusal::NoRoute) };
    let Exchange { snapshot, client, request, upstream, .. } = exchange;
    let route = snapshot.routes.get(matched.route)?;
    if let Some(path) = snapshot.router.upstream_path(&matched) {
        take_path(request, upstream, path, matched.path);
    }
    forwarded::fill(request, client, settings);
    if let Some(refusal) = check_protocol(request, route) {
        return Some(refusal);
    }
    if let Some(service) = route.service.and_then(|index| snapshot.services.get(index)) {
        upstream.service = route.service;
        take_service(upstream, service);
    }
    if route.preserve_host {
        upstream.host_header = request.head.fields.known(Known::Host).map(<[u8]>::to_vec);
    }
    None
}

fn take_service(upstream: &mut Upstream, service: &Service) {
    upstream.scheme = service.scheme;
    upstream.host.extend_from_slice(service.host.as_bytes());
    upstream.port = service.port;
    upstream.timeouts = service.timeouts;
    upstream.retries = service.retries;
    upstream.tls_verify = service.tls_verify;
    upstream.tls_verify_depth = service.tls_verify_depth;
    upstream.client_certificate.clone_from(&service.client_certificate);
}

/// Fills in the path that goes upstream, and the prefix that was cut off.
fn take_path(request: &mut Request, upstream: &mut Upstream, path: &UpstreamPath, matched: Option<PathPart>) {
    path.write(&request.path, matched, &mut upstream.path);
    if let Cow::Owned(escaped) = uri::escape(&upstream.path) {
        upstream.path = escaped;
    }
    if let Some(prefix) = path.forwarded_prefix(&request.path, matched) {
        request.forwarded.prefix.extend_from_slice(&prefix);
    }
}

/// The route that the request matched.
pub fn matched_route(exchange: &Exchange) -> Option<&Route> {
    exchange.snapshot.routes.get(exchange.matched?.route).map(|route| &**route)
}

/// Whether the service wants HTTP/2 and gRPC.
pub fn speaks_grpc(exchange: &Exchange) -> bool {
    let service = exchange.upstream.service.and_then(|index| exchange.snapshot.services.get(index));
    service.is_some_and(|service| matches!(&*service.protocol, "grpc" | "grpcs"))
}

/// Whether the route takes requests that come as this one came.
fn check_protocol(request: &Request, route: &Route) -> Option<Refusal> {
    let secure = request.forwarded.scheme == Scheme::Https;
    let takes = |protocol| route.protocols.contains(protocol);
    if takes(Protocols::HTTPS) && !takes(Protocols::HTTP) && !secure {
        return Some(Refusal::HttpsOnly(route.https_redirect_status));
    }
    if takes(Protocols::GRPC) || takes(Protocols::GRPCS) {
        let content_type = request.head.fields.known(Known::ContentType).unwrap_or_default();
        if !content_type.starts_with(b"application/grpc") {
            return Some(Refusal::NotGrpc);
        }
        if request.head.version != Version::Http2 {
            return Some(Refusal::NeedsHttp2);
        }
        if !takes(Protocols::GRPC) && !secure {
            return Some(Refusal::NeedsTls);
        }
    }
    None
}

impl Refusal {
    /// Makes the response that tells of it.
    pub fn tell(self, worker: &Worker, exchange: &mut Exchange) {
        match self {
            Refusal::NoRoute => {
                error_response::tell(worker, exchange, 404, "no Route matched with those values");
            }
            Refusal::HttpsOnly(status @ (301 | 302 | 307 | 308)) => redirect(exchange, status),
            Refusal::HttpsOnly(_) => {
                upgrade(exchange, b"Connection", b"Upgrade", b"TLS/1.2, HTTP/1.1");
                error_response::tell(worker, exchange, 426, "Please use HTTPS protocol");
            }
            Refusal::NeedsHttp2 => {
                upgrade(exchange, b"connection", b"upgrade", b"HTTP/2");
                error_response::tell(worker, exchange, 426, "Please use HTTP2 protocol");
            }
            Refusal::NotGrpc => {
                error_response::tell(worker, exchange, 415, "Non-gRPC request matched gRPC route");
            }
            Refusal::NeedsTls => {
                error_response::begin(exchange, 200, Source::Exit);
                let fields = &mut exchange.response.head.fields;
                fields.append(b"content-type", b"application/grpc");
                fields.append(b"grpc-status", b"1");
                fields.append(b"grpc-message", b"gRPC request matched gRPCs route");
                error_response::set_length(exchange);
            }
        }
    }
}

/// Tells the protocol that is wanted. *Kong parity*: the names' case is that of the message.
fn upgrade(exchange: &mut Exchange, connection: &[u8], upgrade: &[u8], protocol: &[u8]) {
    exchange.response.head.fields.append(connection, b"Upgrade");
    exchange.response.head.fields.append(upgrade, protocol);
}

fn redirect(exchange: &mut Exchange, status: u16) {
    let location = [b"https://", &*exchange.request.forwarded.host, &*exchange.request.head.target].concat();
    error_response::redirect(exchange, status, &location);
}
