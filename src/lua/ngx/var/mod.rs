//! `ngx.var`: nginx's variables, read from the exchange, and those that Kong's template defines.

mod names;
mod tls;

use crate::exchange::{Exchange, Phase, RequestBody, now};
use crate::http::{Fields, Known, Scheme, Version};
use crate::lua::context::with_exchange;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::counters;
use base64::Engine;
use chrono::Local;
use std::ffi::c_int;
use std::io::Write;
use std::net::IpAddr;
use std::sync::OnceLock;

/// Variables that plugins may set and that stand for nothing of the exchange.
const FREE: &[&[u8]] = &[
    b"ctx_ref",
    b"kong_proxy_mode",
    b"upstream_connection",
    b"upstream_te",
    b"upstream_upgrade",
    b"upstream_via",
];

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "_get_var", get);
    frame.set_function(ngx, "_set_var", set);
}

/// Appends the value of a variable; false where it has none.
///
/// The access log and `ngx.var` read variables through this.
pub fn read(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> bool {
    read_request(exchange, name, out)
        .or_else(|| read_client(exchange, name, out))
        .or_else(|| tls::read(exchange, name, out))
        .or_else(|| read_response(exchange, name, out))
        .or_else(|| read_upstream(exchange, name, out))
        .or_else(|| read_process(exchange, name, out))
        .or_else(|| read_prefixed(exchange, name, out))
        .or_else(|| read_in_lower_case(exchange, name, out))
        .is_some()
}

/// Names are the same in any case.
fn read_in_lower_case(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let has_upper = name.iter().any(u8::is_ascii_uppercase);
    (has_upper && read(exchange, &name.to_ascii_lowercase(), out)).then_some(())
}

fn get(frame: &Frame) -> Answer {
    if frame.kind(1) == Kind::Number {
        // `ngx.var[1]`: captures of nginx locations, of which there are none.
        frame.push_nil();
        return Ok(1);
    }
    if frame.kind(1) != Kind::String {
        return Err(Flow::raise("bad variable name"));
    }
    let name = frame.bytes(1)?;
    with_exchange(|exchange| {
        let mut value = Vec::with_capacity(64);
        if read(exchange, name, &mut value) {
            frame.push_bytes(&value);
        } else {
            frame.push_nil();
        }
    })?;
    Ok(1)
}

/// Sets a variable that stands for something; the answer says whether it is a free one, which the
/// Lua side keeps.
fn set(frame: &Frame) -> Answer {
    if frame.kind(1) != Kind::String {
        return Err(Flow::raise("bad variable name"));
    }
    let name = frame.bytes(1)?;
    let value = frame.optional_bytes(2)?;
    let known = with_exchange(|exchange| write(exchange, name, value))?;
    if !known && !FREE.contains(&name) {
        if names::is_own(name) {
            return Err(Flow::raise("variable not changeable"));
        }
        let name = String::from_utf8_lossy(name);
        return Err(Flow::raise(format!(
            "variable \"{name}\" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use \"set ${name} '';\" in the config file to define it first"
        )));
    }
    frame.push_boolean(!known);
    Ok(1)
}

fn write(exchange: &mut Exchange, name: &[u8], value: Option<&[u8]>) -> bool {
    let forwarded = &mut exchange.request.forwarded;
    if name == b"upstream_host" {
        exchange.upstream.host_header = value.map(<[u8]>::to_vec);
        return true;
    }
    let value = value.unwrap_or_default();
    match name {
        b"upstream_uri" => exchange.upstream.path = value.to_vec(),
        b"upstream_scheme" => exchange.upstream.scheme = scheme(value),
        b"args" => exchange.request.args = Some(Some(value.to_vec())),
        b"upstream_x_forwarded_for" => forwarded.chain = Some(value.to_vec()),
        b"upstream_x_forwarded_proto" => forwarded.scheme = scheme(value),
        b"upstream_x_forwarded_host" => forwarded.host = value.to_vec(),
        b"upstream_x_forwarded_path" => forwarded.path = value.to_vec(),
        b"upstream_x_forwarded_prefix" => forwarded.prefix = value.to_vec(),
        b"upstream_x_forwarded_port" => {
            forwarded.port = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        }
        _ => return false,
    }
    true
}

fn scheme(name: &[u8]) -> Scheme {
    if matches!(name, b"https" | b"grpcs" | b"wss") { Scheme::Https } else { Scheme::Http }
}

/// What a variable adds to the output: nothing if it has no value.
type Value = Option<()>;

fn put(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) -> Value {
    out.extend_from_slice(bytes.as_ref());
    Some(())
}

fn number(out: &mut Vec<u8>, number: impl Into<u64>) -> Value {
    put(out, itoa::Buffer::new().format(number.into()))
}

/// A port; nothing for one that is not known.
fn port(out: &mut Vec<u8>, port: u16) -> Value {
    if port == 0 { put(out, "") } else { number(out, port) }
}

fn some(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Value {
    put(out, bytes?)
}

fn read_request(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let request = &exchange.request;
    match name {
        b"uri" | b"document_uri" => put(out, request.uri()),
        b"request_uri" => put(out, &request.head.target),
        // What code set is there though it be empty.
        b"args" | b"query_string" => match &request.args {
            Some(args) => some(out, args.as_deref()),
            None => some(out, request.query().filter(|query| !query.is_empty())),
        },
        b"is_args" => put(out, if request.query().is_some_and(|query| !query.is_empty()) { "?" } else { "" }),
        b"request_method" => put(out, request.head.method.as_bytes()),
        b"request" => {
            put(out, request.head.method.as_bytes())?;
            put(out, b" ")?;
            put(out, &request.head.target)?;
            put(out, b" ")?;
            put(out, request.head.version.as_str())
        }
        b"host" => put(out, &request.host),
        b"server_name" => put(out, "kong"),
        b"server_protocol" => put(out, request.head.version.as_str()),
        b"http2" => put(out, if request.head.version == Version::Http2 { "h2" } else { "" }),
        b"content_type" => some(out, request.head.fields.value(b"content-type")),
        b"content_length" => some(out, request.head.fields.value(b"content-length")),
        b"request_length" => number(out, request.length),
        b"request_body" => some(out, request.body.in_memory().filter(|body| !body.is_empty())),
        b"request_body_file" => match &request.body {
            RequestBody::Spooled(file) => put(out, file.path.to_string_lossy().as_bytes()),
            _ => None,
        },
        b"limit_rate" => put(out, "0"),
        b"proxy_add_x_forwarded_for" => forwarded_for(exchange, out),
        b"request_id" | b"kong_request_id" => put(out, exchange.id.as_bytes()),
        b"request_time" => seconds(out, (now() / 1000).saturating_sub(exchange.times.start / 1000)),
        b"remote_user" => remote_user(&request.head.fields, out),
        _ => None,
    }
}

/// The client's `X-Forwarded-For` with its address added.
fn forwarded_for(exchange: &Exchange, out: &mut Vec<u8>) -> Value {
    let said = exchange.request.forwarded.said.is_some();
    let fields = exchange.request.head.fields.known_values(Known::XForwardedFor).filter(|_| !said);
    for value in fields.chain(exchange.request.said(Known::XForwardedFor).filter(|_| said)) {
        put(out, value)?;
        put(out, b", ")?;
    }
    put(out, exchange.remote().text.as_bytes())
}

/// Milliseconds as seconds with three digits.
fn seconds(out: &mut Vec<u8>, milliseconds: u64) -> Value {
    write!(out, "{}.{:03}", milliseconds / 1000, milliseconds % 1000).ok()
}

fn remote_user(fields: &Fields, out: &mut Vec<u8>) -> Value {
    let credentials = fields.value(b"authorization")?;
    let (scheme, rest) = credentials.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let plain = base64::engine::general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    put(out, plain.split(|byte| *byte == b':').next()?)
}

fn read_client(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let client = &exchange.client;
    let remote = exchange.request.remote.as_ref().unwrap_or(&client.peer);
    match name {
        b"remote_addr" => put(out, remote.text.as_bytes()),
        b"remote_port" => port(out, remote.port()),
        b"realip_remote_addr" => put(out, client.peer.text.as_bytes()),
        b"realip_remote_port" => port(out, client.peer.port()),
        b"binary_remote_addr" => match remote.ip() {
            IpAddr::V4(ip) => put(out, ip.octets()),
            IpAddr::V6(ip) => put(out, ip.octets()),
        },
        b"server_addr" => put(out, client.local.text.as_bytes()),
        b"server_port" => number(out, client.local.port()),
        b"scheme" => put(out, client.scheme.as_str()),
        b"https" => put(out, if client.scheme == Scheme::Https { "on" } else { "" }),
        b"connection" => number(out, client.serial),
        b"connection_requests" => number(out, client.requests.get()),
        b"proxy_protocol_addr" => put(out, client.proxy_protocol.as_ref()?.0.text.as_bytes()),
        b"proxy_protocol_port" => number(out, client.proxy_protocol.as_ref()?.0.port()),
        b"proxy_protocol_server_addr" => put(out, client.proxy_protocol.as_ref()?.1.text.as_bytes()),
        b"proxy_protocol_server_port" => number(out, client.proxy_protocol.as_ref()?.1.port()),
        _ => None,
    }
}

fn read_response(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let response = &exchange.response;
    match name {
        b"status" => write!(out, "{:03}", response.head.status).ok(),
        b"bytes_sent" => number(out, response.sent),
        b"body_bytes_sent" => number(out, response.body_sent),
        b"sent_http_connection" if !response.head.fields.has(Known::Connection) => {
            put(out, super::framing::connection(exchange))
        }
        b"request_completion" => put(out, if exchange.times.response_end > 0 { "OK" } else { "" }),
        _ => None,
    }
}

fn read_upstream(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let name = name.strip_prefix(b"upstream_")?;
    let upstream = &exchange.upstream;
    let forwarded = &exchange.request.forwarded;
    match name {
        b"uri" => {
            put(out, &upstream.path)?;
            // From the balancer on it is the target as the upstream gets it.
            let is_whole = matches!(
                exchange.phase,
                Phase::Balancer | Phase::HeaderFilter | Phase::BodyFilter | Phase::Response | Phase::Log
            );
            match exchange
                .request
                .query()
                .filter(|query| is_whole && !upstream.path.is_empty() && !query.is_empty())
            {
                Some(query) => put(out, b"?").and_then(|()| put(out, query)),
                None => Some(()),
            }
        }
        b"host" => some(out, upstream.host_header.as_deref()),
        b"scheme" => put(out, upstream.scheme.as_str()),
        b"status" => upstream.append_statuses(out).then_some(()),
        b"addr" => {
            upstream.tries.first()?;
            for (index, attempt) in upstream.tries.iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(out, "{separator}{}", attempt.peer).ok()?;
            }
            Some(())
        }
        b"response_time" | b"header_time" => {
            let started = upstream.tries.last()?.start;
            let end = exchange.times.header_filter_start;
            seconds(out, (end / 1000).checked_sub(started / 1000)?)
        }
        b"connect_time" => {
            let started = upstream.tries.last()?.start;
            seconds(out, (exchange.times.balancer_end / 1000).checked_sub(started / 1000)?)
        }
        b"x_forwarded_for" => match &forwarded.chain {
            Some(chain) => put(out, chain),
            None => forwarded_for(exchange, out),
        },
        b"x_forwarded_proto" => put(out, forwarded.scheme.as_str()),
        b"x_forwarded_host" => put(out, &forwarded.host),
        b"x_forwarded_port" => number(out, forwarded.port),
        b"x_forwarded_path" => put(out, &forwarded.path),
        b"x_forwarded_prefix" => put(out, &forwarded.prefix),
        _ => None,
    }
}

fn read_process(_: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    match name {
        b"hostname" => put(out, hostname()),
        b"pid" => number(out, std::process::id()),
        b"nginx_version" => put(out, "1.25.3"),
        b"msec" => seconds(out, now() / 1000),
        b"time_iso8601" => put(out, Local::now().format("%Y-%m-%dT%H:%M:%S%:z").to_string()),
        b"time_local" => put(out, Local::now().format("%d/%b/%Y:%H:%M:%S %z").to_string()),
        b"pipe" => put(out, "."),
        b"proxy_host" => put(out, "kong_upstream"),
        b"connections_active" => number(out, counters::counted().active),
        b"connections_reading" => number(out, 0u64),
        b"connections_writing" => number(out, counters::counted().writing),
        b"connections_waiting" => number(out, counters::counted().waiting()),
        _ => None,
    }
}

fn hostname() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| String::new(), |name| name.trim_end().to_owned())
    })
}

fn read_prefixed(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let request = &exchange.request;
    if let Some(name) = name.strip_prefix(b"http_") {
        return joined(&request.head.fields, name, out);
    }
    if let Some(name) = name.strip_prefix(b"sent_http_") {
        return joined(&exchange.response.head.fields, name, out);
    }
    if let Some(name) = name.strip_prefix(b"upstream_http_") {
        return joined(&exchange.upstream.received, name, out);
    }
    if let Some(name) = name.strip_prefix(b"upstream_cookie_") {
        let cookies = exchange.upstream.received.values(b"set-cookie");
        let firsts = cookies.filter_map(|line| line.split(|byte| *byte == b';').next());
        return some(out, firsts.filter_map(|pair| value_of(pair, name)).next());
    }
    if let Some(name) = name.strip_prefix(b"upstream_trailer_") {
        return joined(&exchange.response.trailers, name, out);
    }
    if let Some(name) = name.strip_prefix(b"arg_") {
        let pairs = request.query()?.split(|byte| *byte == b'&');
        return some(out, pairs.filter_map(|pair| value_of(pair, name)).next());
    }
    if let Some(name) = name.strip_prefix(b"cookie_") {
        let cookies = request.head.fields.values(b"cookie");
        let mut pairs = cookies.flat_map(|line| line.split(|byte| *byte == b';'));
        return some(out, pairs.find_map(|pair| value_of(pair.trim_ascii_start(), name)));
    }
    None
}

/// The value in `name=value`, if the name is this one in any case.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (left, right) = pair.split_at_checked(name.len())?;
    if left.eq_ignore_ascii_case(name) { right.strip_prefix(b"=") } else { None }
}

/// All lines of a field, named with underscores for dashes, joined as nginx joins them.
fn joined(fields: &Fields, name: &[u8], out: &mut Vec<u8>) -> Value {
    let same = |line: &[u8]| {
        line.len() == name.len()
            && line.iter().zip(name).all(|(byte, wanted)| {
                let byte = if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
                byte == wanted.to_ascii_lowercase()
            })
    };
    let separator = if name.eq_ignore_ascii_case(b"cookie") { "; " } else { ", " };
    let mut values = fields.iter().filter(|(line, _)| same(line)).map(|(_, value)| value);
    put(out, values.next()?)?;
    values.try_for_each(|value| {
        put(out, separator)?;
        put(out, value)
    })
}
