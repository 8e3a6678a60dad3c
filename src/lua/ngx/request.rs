//! `ngx.req`: the request as it stands, and changes to it.

use super::constants;
use super::encode::{encoded_args, fill_args, push_args};
use super::fields::{DEFAULT_MAX, add_field, most, push_excess, push_fields, set_field};
use crate::exchange::{Exchange, Phase, RequestBody};
use crate::http::{Known, Method, query::DEFAULT_MAX_ARGS};
use crate::lua::context::{self, with_exchange};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::pdk::request::{clear_header, keep_said};
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    install_head(frame, table);
    install_args(frame, table);
    install_connection(frame, table);
}

fn install_head(frame: &Frame, table: c_int) {
    frame.set_function(table, "get_method", |frame| {
        with_exchange(|exchange| frame.push_bytes(exchange.request.head.method.as_bytes()))?;
        Ok(1)
    });
    frame.set_function(table, "set_method", set_method);
    frame.set_function(table, "get_headers", |frame| {
        let max = most(frame, DEFAULT_MAX)?;
        with_exchange(|exchange| {
            let fields = &exchange.request.head.fields;
            push_fields(frame, fields, max);
            push_excess(frame, "request", fields.len(), max)
        })?
    });
    frame.set_function(table, "set_header", set_header);
    frame.set_function(table, "add_header", add_header);
    frame.set_function(table, "clear_header", |frame| {
        let name = field_name(frame)?;
        with_exchange(|exchange| clear_header(exchange, &name))?;
        Ok(0)
    });
    frame.set_function(table, "raw_header", raw_header);
    frame.set_function(table, "http_version", |frame| {
        with_exchange(|exchange| frame.push_number(exchange.request.head.version.number()))?;
        Ok(1)
    });
}

fn install_args(frame: &Frame, table: c_int) {
    frame.set_function(table, "get_uri_args", get_uri_args);
    frame.set_function(table, "get_query_args", get_uri_args);
    frame.set_function(table, "set_uri_args", |frame| {
        let args = match frame.kind(1) {
            Kind::Table => encoded_args(frame, 1)?,
            Kind::Number => frame.bytes(1)?.to_vec(),
            Kind::String => without_blanks(frame.bytes(1)?),
            Kind::None => return Err(Flow::raise("expecting 1 argument but seen 0")),
            _ => {
                let kind = frame.kind_name(1);
                let text = format!("string, number, or table expected, but got {kind}");
                return Err(Flow::Argument(1, text));
            }
        };
        with_exchange(|exchange| exchange.request.args = Some(Some(args)))?;
        Ok(0)
    });
    frame.set_function(table, "set_uri", set_uri);
    frame.set_function(table, "get_post_args", |frame| {
        let max = frame.optional_number(1)?.map_or(DEFAULT_MAX_ARGS, |max| max.max(0.0) as usize);
        with_exchange(|exchange| match &exchange.request.body {
            RequestBody::Unread(_) | RequestBody::Taken => {
                Err(Flow::raise("no request body found; maybe you should turn on lua_need_request_body?"))
            }
            RequestBody::Spooled(_) => frame.fail("request body in temp file not supported"),
            body => push_args(frame, body.in_memory().unwrap_or_default(), max),
        })?
    });
}

/// A query as it may stand in a request line: blanks and control characters as triplets.
fn without_blanks(query: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(query.len());
    for &byte in query {
        if byte <= b' ' || byte == 0x7f {
            crate::http::uri::push_triplet(&mut out, byte);
        } else {
            out.push(byte);
        }
    }
    out
}

/// `get_uri_args(max?, table?)`: into a table of the caller's where there is one.
fn get_uri_args(frame: &Frame) -> Answer {
    let max = frame.optional_number(1)?.map_or(DEFAULT_MAX_ARGS, |max| max.max(0.0) as usize);
    match frame.kind(2) {
        Kind::Table => {
            frame.push_value(2);
            frame.clear_table(-1);
        }
        Kind::None | Kind::Nil => frame.push_table(0, 8),
        _ => {
            let kind = frame.kind_name(2);
            return Err(Flow::raise(format!("bad argument #1 to 'clear_tab' (table expected, got {kind})")));
        }
    }
    with_exchange(|exchange| fill_args(frame, exchange.request.query().unwrap_or_default(), max))?
}

fn install_connection(frame: &Frame, table: c_int) {
    frame.set_function(table, "start_time", |frame| {
        with_exchange(|exchange| frame.push_number((exchange.times.start / 1000) as f64 / 1000.0))?;
        Ok(1)
    });
    frame.set_function(table, "is_internal", |frame| {
        frame.push_boolean(false);
        Ok(1)
    });
    frame.set_function(table, "socket", super::socket::of_request);
}

/// Sets the method by its `ngx.HTTP_…` number.
fn set_method(frame: &Frame) -> Answer {
    let number = frame.integer(1).map_err(|_| Flow::raise("bad method number"))?;
    let method = constants::method(number).and_then(|name| Method::new(name.as_bytes()));
    let Some(method) = method else {
        return Err(Flow::raise(format!("unsupported HTTP method: {number}")));
    };
    with_exchange(|exchange| exchange.request.head.method = method)?;
    Ok(0)
}

/// The first argument as a name. Anything is one, as in OpenResty: it is turned into text.
fn field_name(frame: &Frame) -> Result<Vec<u8>, Flow> {
    Ok(match frame.kind(1) {
        Kind::String | Kind::Number => frame.bytes(1)?.to_vec(),
        Kind::Boolean => frame.truth(1).to_string().into_bytes(),
        _ => frame.kind_name(1).as_bytes().to_vec(),
    })
}

/// Sets a field of the request.
fn set_header(frame: &Frame) -> Answer {
    let name = field_name(frame)?;
    with_exchange(|exchange| {
        keep_said(exchange, &name);
        set_field(frame, &mut exchange.request.head.fields, &name, 2)?;
        if Known::of(&name) == Known::Host {
            follow_host(exchange);
        }
        Ok(0)
    })?
}

/// Adds lines of a field, keeping those there are.
fn add_header(frame: &Frame) -> Answer {
    if frame.is_nil(1) {
        return Err(Flow::raise("bad 'name' argument: string expected, got nil"));
    }
    let wanted = match frame.kind(2) {
        Kind::Table if frame.length(2) == 0 => Some("non-empty table expected".to_owned()),
        Kind::String | Kind::Number | Kind::Boolean | Kind::Table => None,
        Kind::None => Some("string or table expected, got nil".to_owned()),
        _ => {
            let kind = frame.kind_name(2);
            Some(format!("string or table expected, got {kind}"))
        }
    };
    if let Some(wanted) = wanted {
        return Err(Flow::raise(format!("bad 'value' argument: {wanted}")));
    }
    let name = field_name(frame)?;
    with_exchange(|exchange| {
        keep_said(exchange, &name);
        add_field(frame, &mut exchange.request.head.fields, &name, 2)
    })??;
    Ok(0)
}

/// `ngx.var.host` follows a changed `Host`.
fn follow_host(exchange: &mut Exchange) {
    let Some(host) = exchange.request.head.fields.known(Known::Host) else { return };
    let end = match host.first() {
        Some(b'[') => host.iter().position(|byte| *byte == b']').map_or(host.len(), |at| at + 1),
        _ => host.iter().position(|byte| *byte == b':').unwrap_or(host.len()),
    };
    exchange.request.host = host.get(..end).unwrap_or_default().to_ascii_lowercase();
}

fn raw_header(frame: &Frame) -> Answer {
    let without_line = frame.truth(1);
    with_exchange(|exchange| {
        let raw = &exchange.request.raw_head;
        if raw.is_empty() {
            return Err(Flow::raise("http2 requests are not supported yet"));
        }
        let start = if without_line { memchr::memchr(b'\n', raw).map_or(0, |at| at + 1) } else { 0 };
        frame.push_bytes(raw.get(start..).unwrap_or_default());
        Ok(1)
    })?
}

/// Changes the path; a jump to another location has no meaning in a gateway.
fn set_uri(frame: &Frame) -> Answer {
    let path = frame.bytes(1)?;
    if path.is_empty() {
        return Err(Flow::raise("attempt to use zero-length uri"));
    }
    if !frame.truth(3)
        && let Err(Flow::Raise(mut text)) = super::response::require_safe(path, "uri")
    {
        text.extend_from_slice(b" (maybe you want to set the 'binary' argument?)");
        return Err(Flow::Raise(text));
    }
    if frame.truth(2) {
        return Err(match context::phase() {
            Phase::Rewrite => Flow::raise("ngx.req.set_uri cannot jump: a gateway has no nginx locations"),
            phase => context::disabled(phase),
        });
    }
    with_exchange(|exchange| exchange.request.rewritten = Some(path.to_vec()))?;
    Ok(0)
}
