//! What forwarding fields say, and who is believed.

use super::settings::{RealIpSource, Settings};
use super::upstream::listed;
use crate::exchange::{Address, Client, Exchange, Request};
use crate::http::{Known, Scheme};
use std::net::{IpAddr, SocketAddr};

/// Fills in what `X-Forwarded-*` will tell the upstream: the client's own fields when its peer is in
/// `trusted_ips`, the connection's facts otherwise.
pub fn fill(request: &mut Request, client: &Client, settings: &Settings) {
    let trusted = client.peer.socket.is_some() && settings.trusted_ips.contains(client.peer.ip());
    let theirs = |known| request.head.fields.known(known).filter(|_| trusted);
    let forwarded = &mut request.forwarded;
    forwarded.trusted = trusted;
    forwarded.scheme = match theirs(Known::XForwardedProto) {
        Some(proto) if proto == b"https" => Scheme::Https,
        Some(_) => Scheme::Http,
        None => client.scheme,
    };
    forwarded.host.clear();
    let own: &[u8] = if request.host.is_empty() { b"kong" } else { &request.host };
    forwarded.host.extend_from_slice(theirs(Known::XForwardedHost).unwrap_or(own));
    let port = theirs(Known::XForwardedPort).and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
    forwarded.port = port.unwrap_or_else(|| settings.public_port(client.local.port()));
    forwarded.path.clear();
    forwarded.path.extend_from_slice(theirs(Known::XForwardedPath).unwrap_or(request.head.path()));
    if let Some(prefix) = theirs(Known::XForwardedPrefix) {
        forwarded.prefix.clear();
        forwarded.prefix.extend_from_slice(prefix);
    }
}

/// Sets who asks, from `real_ip_header`, when the peer is believed.
///
/// *Kong parity*: nginx's realip module: the last address of the field, or with `real_ip_recursive`
/// the last that is not trusted itself. What is no address leaves things as they are.
pub fn find_remote(exchange: &mut Exchange, settings: &Settings) {
    let client = &exchange.client;
    let believed = match client.peer.socket {
        Some(_) => settings.believes_anybody() && settings.believes(client.peer.ip()),
        None => settings.trusted_ips.contains_unix(),
    };
    if !believed {
        return;
    }
    let found = match &settings.real_ip {
        RealIpSource::ProxyProtocol => client.proxy_protocol.as_ref().and_then(|(source, _)| source.socket),
        field => {
            let Some(values) = field.values(&exchange.request.head.fields) else { return };
            let addresses: Vec<&[u8]> = values.into_iter().flat_map(listed).collect();
            last_untrusted(&addresses, settings)
        }
    };
    exchange.request.remote = found.map(Address::inet);
}

/// The address that counts in a list of them.
fn last_untrusted(addresses: &[&[u8]], settings: &Settings) -> Option<SocketAddr> {
    let mut found = None;
    for text in addresses.iter().rev() {
        let Some(address) = parse_address(text) else { break };
        found = Some(address);
        if !settings.real_ip_recursive || !settings.believes(address.ip()) {
            break;
        }
    }
    found
}

/// An address with or without port.
fn parse_address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1:0")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("::1", Some("[::1]:0")),
            ("[::1]", Some("[::1]:0")),
            ("[::1]:80", Some("[::1]:80")),
            ("name", None),
            ("", None),
        ] {
            assert_eq!(parse_address(text.as_bytes()).map(|a| a.to_string()).as_deref(), expected, "{text}");
        }
    }
}
