//! The upstream's side of an exchange: `kong.service`, `ngx.ctx.balancer_data`.

use crate::exchange::{Brought, ClientIdentity, Exchange, Timeouts, Try};
use crate::http::Scheme;
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::ngx::socket::tls::{Chain, Key};
use crate::lua::{library, object};
use std::ffi::c_int;
use std::net::IpAddr;
use std::sync::Arc;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "upstream_set", set);
    frame.set_function(table, "upstream_get", get);
    frame.set_function(table, "upstream_identity", |frame| {
        let chain = object::at::<Chain>(frame, 1)?.0.clone();
        let key = object::at::<Key>(frame, 2)?.0.clone_key();
        let identity = Arc::new(Brought::identity(ClientIdentity { chain, key }));
        context::with_exchange(|exchange| exchange.upstream.identity = Some(identity))?;
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "upstream_authorities", |frame| {
        let authorities = Arc::new(Brought::authorities(library::certificates(frame, 1)?));
        context::with_exchange(|exchange| exchange.upstream.authorities = Some(authorities))?;
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "upstream_tries", tries);
    frame.set_function(table, "upstream_status", |frame| {
        // Where the last try failed, the status that stands for that.
        let status = context::with_exchange(|exchange| {
            let failure = exchange.upstream.tries.last().and_then(|last| last.failure);
            failure.map_or(exchange.upstream.status, |failure| failure.code)
        })?;
        if status == 0 {
            frame.push_nil();
        } else {
            frame.push_integer(status.into());
        }
        Ok(1)
    });
    frame.set_function(table, "upstream_headers", headers);
    frame.set_function(table, "enable_buffering", |_| {
        context::with_exchange(|exchange| exchange.lua.buffered = true)?;
        Ok(0)
    });
    frame.set_function(table, "is_buffered", |frame| {
        frame.push_boolean(context::with_exchange(|exchange| exchange.lua.buffered)?);
        Ok(1)
    });
}

/// Sets a field by its name; true for one that the gateway reads.
fn set(frame: &Frame) -> Answer {
    let field = frame.text(1)?.into_owned();
    let known = match field.as_str() {
        "tls_verify" => {
            let on = frame.truth(2);
            context::with_exchange(|exchange| exchange.upstream.tls_verify = Some(on))?;
            true
        }
        "scheme" | "host" | "path" | "host_header" => {
            let text = frame.bytes(2)?;
            context::with_exchange(|exchange| set_text(exchange, &field, text))?
        }
        "port" | "retries" | "connect_timeout" | "write_timeout" | "send_timeout" | "read_timeout"
        | "tls_verify_depth" => {
            let number = frame.integer(2)?.clamp(0, i64::from(u32::MAX)) as u32;
            context::with_exchange(|exchange| set_number(exchange, &field, number))?
        }
        _ => false,
    };
    frame.push_boolean(known);
    Ok(1)
}

fn set_text(exchange: &mut Exchange, field: &str, text: &[u8]) -> bool {
    let upstream = &mut exchange.upstream;
    match field {
        "scheme" => upstream.scheme = if text == b"https" { Scheme::Https } else { Scheme::Http },
        "host" => upstream.host = text.to_vec(),
        "path" => upstream.path = text.to_vec(),
        "host_header" => upstream.host_header = Some(text.to_vec()),
        _ => return false,
    }
    true
}

fn set_number(exchange: &mut Exchange, field: &str, number: u32) -> bool {
    let upstream = &mut exchange.upstream;
    match field {
        "port" => upstream.port = u16::try_from(number).unwrap_or_default(),
        "retries" => upstream.retries = number,
        "connect_timeout" => upstream.timeouts.connect = number,
        "write_timeout" | "send_timeout" => upstream.timeouts.write = number,
        "read_timeout" => upstream.timeouts.read = number,
        "tls_verify_depth" => upstream.tls_verify_depth = Some(number),
        _ => return false,
    }
    true
}

/// The value of a field by its name; nil for one that the gateway does not have.
fn get(frame: &Frame) -> Answer {
    let field = frame.text(1)?.into_owned();
    context::with_exchange(|exchange| push_field(frame, exchange, &field))?;
    Ok(1)
}

fn push_field(frame: &Frame, exchange: &Exchange, field: &str) {
    let upstream = &exchange.upstream;
    let Timeouts { connect, write, read } = upstream.timeouts;
    let last = upstream.tries.last();
    match field {
        "scheme" => frame.push_text(upstream.scheme.as_str()),
        "host" => frame.push_bytes(&upstream.host),
        "port" => frame.push_integer(upstream.port.into()),
        "path" => frame.push_bytes(&upstream.path),
        "retries" => frame.push_integer(upstream.retries.into()),
        "connect_timeout" => frame.push_integer(connect.into()),
        "write_timeout" | "send_timeout" => frame.push_integer(write.into()),
        "read_timeout" => frame.push_integer(read.into()),
        "type" => frame.push_text(host_kind(&upstream.host)),
        "hash_value" => push_optional(frame, upstream.balancing.hash.clone()),
        "try_count" => frame.push_integer(upstream.tries.len() as i64),
        "ip" => push_optional(frame, last.map(|last| last.peer.ip().to_string())),
        "hostname" => push_optional(frame, last.and_then(|last| last.hostname.as_deref().map(str::to_owned))),
        _ => frame.push_nil(),
    }
}

/// What a host is: `ipv4`, `ipv6` or `name`.
fn host_kind(host: &[u8]) -> &'static str {
    let text = std::str::from_utf8(host).unwrap_or_default();
    match text.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(_)) => "ipv4",
        Ok(IpAddr::V6(_)) => "ipv6",
        Err(_) => "name",
    }
}

fn push_optional(frame: &Frame, text: Option<String>) {
    match text {
        Some(text) => frame.push_text(&text),
        None => frame.push_nil(),
    }
}

/// Every try so far, in the form that logs have.
fn tries(frame: &Frame) -> Answer {
    let tries = context::with_exchange(|exchange| exchange.upstream.tries.clone())?;
    frame.push_table(tries.len(), 0);
    for (at, attempt) in tries.iter().enumerate() {
        frame.reserve(4)?;
        push_try(frame, attempt);
        frame.set_index(-2, at + 1);
    }
    Ok(1)
}

fn push_try(frame: &Frame, attempt: &Try) {
    frame.push_table(0, 8);
    let (milliseconds, latency) = (attempt.start / 1000, attempt.latency);
    let numbers = [
        ("balancer_start", milliseconds as f64),
        ("balancer_start_ns", attempt.start as f64 * 1000.0),
        ("balancer_latency", latency as f64),
        ("balancer_latency_ns", latency as f64 * 1e6),
        ("port", f64::from(attempt.peer.port())),
    ];
    for (name, number) in numbers {
        frame.push_number(number);
        frame.set_field(-2, name);
    }
    frame.push_text(&attempt.peer.ip().to_string());
    frame.set_field(-2, "ip");
    if let Some(failure) = attempt.failure {
        frame.push_text(failure.state);
        frame.set_field(-2, "state");
        frame.push_integer(failure.code.into());
        frame.set_field(-2, "code");
    }
}

/// The upstream's headers by their names in lower case, at most so many; true where that left some out.
fn headers(frame: &Frame) -> Answer {
    let most = usize::try_from(frame.integer(1)?).unwrap_or(0);
    frame.push_table(0, 16);
    let table = frame.top();
    let total = context::with_exchange(|exchange| -> Result<usize, Flow> {
        let fields = &exchange.upstream.received;
        for (name, value) in fields.iter().take(most) {
            super::add_value(frame, table, &name.to_ascii_lowercase(), value)?;
        }
        Ok(fields.len())
    })??;
    frame.push_boolean(total > most);
    Ok(2)
}
