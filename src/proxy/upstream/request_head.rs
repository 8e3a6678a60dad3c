//! The request head as the upstream gets it.
//!
//! Fields that the gateway decides come first, as nginx writes them; then the client's, in their
//! order, without hop-by-hop fields and without those just written.

use super::{Payload, Peer};
use crate::exchange::Exchange;
use crate::http::{Fields, Known, Scheme, Version};
use crate::proxy::h1::encode::{line, number_line, request_line};
use crate::proxy::settings::SERVER;

/// Writes the head of a try to `peer`.
///
/// `request_id` tells whether `X-Kong-Request-Id` goes upstream.
pub fn write(out: &mut Vec<u8>, exchange: &Exchange, peer: &Peer, payload: &Payload<'_>, request_id: bool) {
    let request = &exchange.request;
    let fields = &request.head.fields;
    request_line(out, request.head.method.as_bytes(), &exchange.upstream.path, query(exchange));
    if wants_trailers(fields) {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    via(out, request.said(Known::Via), request.head.version);
    out.extend_from_slice(b"Host: ");
    host(out, exchange, peer);
    out.extend_from_slice(b"\r\n");
    if request.websocket {
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n");
    } else {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    forwarded(out, exchange);
    if request_id {
        line(out, b"X-Kong-Request-Id", exchange.id.as_bytes());
    }
    if let Some(length) = payload.len() {
        number_line(out, b"Content-Length", length);
    } else if payload.is_chunked() {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    pass_on(out, fields, request_id);
    out.extend_from_slice(b"\r\n");
}

/// Appends the `Host` of a try: what route or plugins say, else the peer's name, with its port unless
/// the scheme implies it.
pub fn host(out: &mut Vec<u8>, exchange: &Exchange, peer: &Peer) {
    match &exchange.upstream.host_header {
        Some(host) if !host.is_empty() => out.extend_from_slice(host),
        _ => {
            out.extend_from_slice(peer.hostname.as_bytes());
            if peer.address.port() != exchange.upstream.scheme.default_port() {
                out.push(b':');
                out.extend_from_slice(itoa::Buffer::new().format(peer.address.port()).as_bytes());
            }
        }
    }
}

/// The query to send: a plugin's, or the client's, whose bare `?` is kept.
fn query(exchange: &Exchange) -> Option<&[u8]> {
    let request = &exchange.request;
    match &request.args {
        Some(args) => {
            let bare = request.head.target.last() == Some(&b'?');
            args.as_deref().or(bare.then_some(&[][..])).filter(|q| bare || !q.is_empty())
        }
        None => request.head.query(),
    }
}

/// Whether the client's `TE` asks for trailers.
pub fn wants_trailers(fields: &Fields) -> bool {
    fields.known_values(Known::Te).any(|value| listed(value).any(|o| o.eq_ignore_ascii_case(b"trailers")))
}

/// Appends this gateway to the client's `Via`.
fn via(out: &mut Vec<u8>, theirs: Option<&[u8]>, version: Version) {
    out.extend_from_slice(b"Via: ");
    if let Some(value) = theirs {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    // As Lua prints these numbers.
    out.extend_from_slice(match version {
        Version::Http10 => b"1 ",
        Version::Http11 => b"1.1 ",
        Version::Http2 => b"2 ",
    });
    out.extend_from_slice(SERVER.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes `X-Forwarded-*` and `X-Real-IP`.
fn forwarded(out: &mut Vec<u8>, exchange: &Exchange) {
    let forwarded = &exchange.request.forwarded;
    let remote = exchange.remote().text.as_bytes();
    out.extend_from_slice(b"X-Forwarded-For: ");
    if let Some(chain) = &forwarded.chain {
        out.extend_from_slice(chain);
    } else if let Some(value) = exchange.request.said(Known::XForwardedFor) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
        out.extend_from_slice(exchange.client.peer.text.as_bytes());
    } else {
        out.extend_from_slice(remote);
    }
    out.extend_from_slice(b"\r\n");
    let theirs = |known| exchange.request.said(known).filter(|_| forwarded.trusted);
    let proto = theirs(Known::XForwardedProto).unwrap_or(forwarded.scheme.as_str().as_bytes());
    line(out, b"X-Forwarded-Proto", proto);
    line(out, b"X-Forwarded-Host", &forwarded.host);
    match theirs(Known::XForwardedPort) {
        Some(port) => line(out, b"X-Forwarded-Port", port),
        None => number_line(out, b"X-Forwarded-Port", u64::from(forwarded.port)),
    }
    line(out, b"X-Forwarded-Path", &forwarded.path);
    if !forwarded.prefix.is_empty() {
        line(out, b"X-Forwarded-Prefix", &forwarded.prefix);
    }
    line(out, b"X-Real-IP", remote);
}

/// Writes the client's own fields, end-to-end ones only.
fn pass_on(out: &mut Vec<u8>, fields: &Fields, request_id: bool) {
    use Known::*;
    let connection = fields.known_values(Connection);
    let options: smallvec::SmallVec<[&[u8]; 4]> =
        connection.flat_map(listed).filter(|o| !is_plain(o)).collect();
    for (known, name, value) in fields.iter_known() {
        match known {
            Te | Via | Host | Upgrade | Connection | KeepAlive | Expect | Proxy | ProxyConnection
            | ContentLength | TransferEncoding | XForwardedFor | XForwardedProto | XForwardedHost
            | XForwardedPort | XForwardedPath | XForwardedPrefix | XRealIp => {}
            XKongRequestId if request_id => {}
            _ if options.iter().any(|option| option.eq_ignore_ascii_case(name)) => {}
            _ => line(out, name, value),
        }
    }
}

/// Whether a connection option names no field.
fn is_plain(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
}

/// The members of a comma-separated list.
pub fn listed(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// The server name of a TLS session to a peer: its `Host` without port.
pub fn server_name(exchange: &Exchange, peer: &Peer) -> Vec<u8> {
    debug_assert_eq!(exchange.upstream.scheme, Scheme::Https);
    let mut name = Vec::new();
    host(&mut name, exchange, peer);
    if let Some(colon) = memchr::memrchr(b':', &name).filter(|_| name.first() != Some(&b'[')) {
        name.truncate(colon);
    }
    name
}
