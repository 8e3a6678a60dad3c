//! Field lines of responses: which of the upstream's pass, and what the gateway adds.

use super::settings::{SERVER, Settings};
use super::upstream::listed;
use crate::conf::HeaderTokens;
use crate::exchange::{Exchange, Times};
use crate::http::{Fields, Known, ResponseHead};

/// Takes hop-by-hop fields and those meant for nginx out of the upstream's response.
pub fn keep_end_to_end(exchange: &mut Exchange, websocket: bool) {
    let wants_trailers = super::upstream::wants_trailers(&exchange.request.head.fields);
    let fields = &mut exchange.response.head.fields;
    if fields.has(Known::Connection) {
        remove_options(fields);
    }
    fields.remove_known(Known::KeepAlive);
    fields.remove_known(Known::TransferEncoding);
    if !websocket {
        fields.remove_known(Known::Upgrade);
    }
    if !wants_trailers {
        fields.remove_known(Known::Trailer);
    }
    if fields.known(Known::ContentType) == Some(b"") {
        fields.remove_known(Known::ContentType);
    }
    for once in [Known::Date, Known::Server, Known::Location] {
        keep_first(fields, once);
    }
    if fields.iter_known().any(|(known, name, _)| known == Known::Other && is_for_nginx(name)) {
        fields.retain(|name, _| !is_for_nginx(name));
    }
}

/// *Kong parity*: nginx ignores further lines of fields that a response has once.
fn keep_first(fields: &mut Fields, known: Known) {
    if fields.known_values(known).nth(1).is_some() {
        let mut seen = false;
        fields.retain(|name, _| Known::of(name) != known || !std::mem::replace(&mut seen, true));
    }
}

/// Removes `Connection` and the fields it names.
fn remove_options(fields: &mut Fields) {
    let mut options: smallvec::SmallVec<[Vec<u8>; 2]> = smallvec::SmallVec::new();
    for option in fields.known_values(Known::Connection).flat_map(listed) {
        let plain: [&[u8]; 3] = [b"keep-alive", b"close", b"upgrade"];
        if !plain.iter().any(|name| name.eq_ignore_ascii_case(option)) {
            options.push(option.to_vec());
        }
    }
    fields.remove_known(Known::Connection);
    for option in options.iter().filter(|option| Known::of(option) != Known::ContentLength) {
        fields.remove(option);
    }
}

/// Whether a field steers nginx and goes no further.
fn is_for_nginx(name: &[u8]) -> bool {
    let Some((start, rest)) = name.split_at_checked(8) else { return name.eq_ignore_ascii_case(b"x-pad") };
    if !start.eq_ignore_ascii_case(b"x-accel-") {
        return false;
    }
    let known: [&[u8]; 5] = [b"expires", b"redirect", b"limit-rate", b"buffering", b"charset"];
    known.iter().any(|tail| tail.eq_ignore_ascii_case(rest))
}

/// Adds what the plugins are to see in the head: `X-Kong-Upstream-Status`, and the cookie by which the
/// balancer will know the client again.
pub fn add_before_plugins(exchange: &mut Exchange, settings: &Settings) {
    if let Some(cookie) = exchange.upstream.balancing.cookie.take() {
        exchange.response.head.fields.append(b"Set-Cookie", cookie.as_bytes());
    }
    if settings.headers.contains(HeaderTokens::UPSTREAM_STATUS) && exchange.upstream.status != 0 {
        let status = exchange.upstream.status;
        set_number(&mut exchange.response.head.fields, b"X-Kong-Upstream-Status", u64::from(status));
    }
}

/// Makes the head of a response that was read whole: its phrase is the usual one, and names have dashes for underscores.
///
/// *Kong parity*: the gateway there sets such a head field by field, through `ngx.header`.
pub fn set_anew(head: &mut ResponseHead) {
    head.reason.clear();
    let dashed = |name: &[u8]| name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    let odd = head.fields.iter().filter(|(name, _)| name.contains(&b'_'));
    let odd: Vec<(Vec<u8>, Vec<u8>)> = odd.map(|(name, value)| (dashed(name), value.to_vec())).collect();
    if !odd.is_empty() {
        head.fields.retain(|name, _| !name.contains(&b'_'));
        odd.iter().for_each(|(name, value)| head.fields.append(name, value));
    }
}

/// Adds what the gateway says about itself: latencies, `Via`, `Server`, the request id.
pub fn add_own(exchange: &mut Exchange, settings: &Settings) {
    let (headers, times) = (settings.headers, exchange.times);
    let id = exchange.id;
    let is_proxied = exchange.is_proxied();
    let fields = &mut exchange.response.head.fields;
    if is_proxied || exchange.lua.proxied {
        // Without a balancer, what a plugin kept is as if it had answered at once.
        let (ready, asked) = match is_proxied {
            true => (times.balancer_end, times.balancer_end),
            false => (times.header_filter_start, times.access_end),
        };
        if headers.contains(HeaderTokens::UPSTREAM_LATENCY) {
            let waited = Times::between(asked, times.header_filter_start).unwrap_or(0);
            set_number(fields, b"X-Kong-Upstream-Latency", waited);
        }
        if headers.contains(HeaderTokens::PROXY_LATENCY) {
            let latency = Times::between(times.start, ready).unwrap_or(0);
            set_number(fields, b"X-Kong-Proxy-Latency", latency);
        }
        if headers.contains(HeaderTokens::VIA) {
            // *Kong parity*: what a plugin kept names nobody before this gateway.
            if !is_proxied {
                fields.remove_known(Known::Via);
            }
            // What plugins made of the upstream's does not count.
            let received =
                Some(&exchange.upstream.received).filter(|received| is_proxied && !received.is_empty());
            add_via(fields, received);
        }
        if headers.contains(HeaderTokens::SERVER) && !fields.has(Known::Server) {
            fields.append_valid(b"Server", SERVER.as_bytes());
        }
    } else {
        if headers.contains(HeaderTokens::RESPONSE_LATENCY) {
            let latency = Times::between(times.start, times.header_filter_start).unwrap_or(0);
            set_number(fields, b"X-Kong-Response-Latency", latency);
        }
        let through_us =
            headers.contains(HeaderTokens::VIA) && fields.known(Known::Via) == Some(SERVER.as_bytes());
        if through_us {
        } else if headers.contains(HeaderTokens::SERVER) {
            fields.set_valid(b"Server", SERVER.as_bytes());
        } else {
            fields.remove_known(Known::Server);
        }
    }
    if headers.contains(HeaderTokens::REQUEST_ID) {
        fields.set_valid(b"X-Kong-Request-Id", id.as_bytes());
    }
}

/// Appends this gateway to the response's `Via`.
fn add_via(fields: &mut Fields, received: Option<&Fields>) {
    let own = concat!("1.1 kong/", env!("CARGO_PKG_VERSION")).as_bytes();
    let theirs: Vec<&[u8]> = received.unwrap_or(fields).known_values(Known::Via).collect();
    if theirs.is_empty() {
        return fields.set_valid(b"Via", own);
    }
    let all = [&theirs[..], &[own]].concat().join(&b", "[..]);
    fields.set_valid(b"Via", &all);
}

/// Adds the configured charset to a text type that names none.
///
/// *Kong parity*: nginx leaves redirects alone.
pub fn add_charset(fields: &mut Fields, status: u16, charset: Option<&str>) {
    let Some(charset) = charset.filter(|_| !matches!(status, 301 | 302)) else { return };
    let Some(value) = fields.known(Known::ContentType) else { return };
    const TYPES: [&[u8]; 6] = [
        b"text/html",
        b"text/xml",
        b"text/plain",
        b"text/vnd.wap.wml",
        b"application/javascript",
        b"application/rss+xml",
    ];
    if TYPES.iter().any(|name| name.eq_ignore_ascii_case(value)) {
        let whole = [value, b"; charset=", charset.as_bytes()].concat();
        fields.set(b"Content-Type", &whole);
    }
}

/// Adds the `Kong-Route-*` and `Kong-Service-*` fields that `Kong-Debug` asks for.
pub fn add_debug(exchange: &mut Exchange) {
    let Some(route) = exchange.matched.and_then(|m| exchange.snapshot.routes.get(m.route)) else { return };
    let service = route.service.and_then(|index| exchange.snapshot.services.get(index));
    let fields = &mut exchange.response.head.fields;
    fields.set(b"Kong-Route-Id", route.id.as_bytes());
    if let Some(name) = &route.name {
        fields.set(b"Kong-Route-Name", name.as_bytes());
    }
    if let Some(service) = service {
        fields.set(b"Kong-Service-Id", service.id.as_bytes());
        if let Some(name) = &service.name {
            fields.set(b"Kong-Service-Name", name.as_bytes());
        }
    }
}

fn set_number(fields: &mut Fields, name: &[u8], number: u64) {
    fields.set_valid(name, itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        lines.iter().for_each(|(name, value)| fields.append(name.as_bytes(), value.as_bytes()));
        fields
    }

    #[test]
    fn connection_options_take_their_fields_with_them() {
        let mut fields = fields(&[("Connection", "close, X-Hop"), ("X-Hop", "1"), ("X-End", "2")]);
        remove_options(&mut fields);
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"X-End"[..], &b"2"[..])]);
    }

    #[test]
    fn only_text_types_without_a_charset_get_one() {
        for (before, after) in [
            ("text/html", "text/html; charset=UTF-8"),
            ("text/plain; charset=latin1", "text/plain; charset=latin1"),
            ("application/json", "application/json"),
        ] {
            let mut fields = fields(&[("Content-Type", before)]);
            add_charset(&mut fields, 301, Some("UTF-8"));
            assert_eq!(fields.known(Known::ContentType), Some(before.as_bytes()));
            add_charset(&mut fields, 200, Some("UTF-8"));
            assert_eq!(fields.known(Known::ContentType), Some(after.as_bytes()));
        }
    }

    #[test]
    fn via_is_appended_to_the_upstreams() {
        let mut fields = fields(&[("Via", "1.0 other"), ("Via", "1.1 next")]);
        add_via(&mut fields, None);
        let values: Vec<_> = fields.known_values(Known::Via).collect();
        assert_eq!(values, [&b"1.0 other, 1.1 next, 1.1 kong/3.9.3"[..]]);
    }

    #[test]
    fn fields_for_nginx_are_recognised() {
        assert!(is_for_nginx(b"X-Accel-Redirect") && is_for_nginx(b"x-pad"));
        assert!(!is_for_nginx(b"X-Accel-Other") && !is_for_nginx(b"X-Accelerate"));
    }
}
