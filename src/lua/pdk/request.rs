//! The client's side of an exchange.

use crate::exchange::{Exchange, Phase};
use crate::http::query::{self, Args, DEFAULT_MAX_ARGS};
use crate::http::{Known, uri};
use crate::lua::context;
use crate::lua::frame::{Answer, Frame};
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "raw_path", |frame| {
        context::with_exchange(|exchange| {
            frame.push_bytes(uri::split_query(&exchange.request.head.target).0);
        })?;
        Ok(1)
    });
    frame.set_function(table, "request_header_values", |frame| {
        let name = frame.bytes(1)?;
        frame.push_table(2, 0);
        let list = frame.top();
        context::with_exchange(|exchange| {
            for (at, value) in exchange.request.head.fields.values(name).enumerate() {
                frame.push_bytes(value);
                frame.set_index(list, at + 1);
            }
        })?;
        Ok(1)
    });
    frame.set_function(table, "add_request_header", |frame| {
        let name = frame.bytes(1)?;
        super::each_value(frame, 2, |value| {
            context::with_exchange(|exchange| {
                keep_said(exchange, name);
                exchange.request.head.fields.append(name, &clean(value));
            })
        })?;
        Ok(0)
    });
    frame.set_function(table, "clear_query_arg", |frame| {
        let name = frame.bytes(1)?;
        context::with_exchange(|exchange| clear_query_arg(exchange, name))?;
        Ok(0)
    });
    frame.set_function(table, "set_authority", set_authority);
    frame.set_function(table, "client_certificate_chain", client_certificate_chain);
}

/// The value of the first line of a request header, and how many lines it has. Dashes and underscores
/// in the name are the same where there is no exact match, as in nginx's `$http_` variables.
pub fn header<'a>(exchange: &'a Exchange, name: &[u8]) -> Option<(&'a [u8], usize)> {
    exchange.request.head.fields.value_or_dashed(name)
}

/// Keeps what the client said of its origin before a plugin of the route changes it.
pub fn keep_said(exchange: &mut Exchange, name: &[u8]) {
    if exchange.phase != Phase::Rewrite {
        exchange.request.keep_said(name);
    }
}

/// Gives a request header this one value, as `ngx.req.set_header` does.
pub fn set_header(exchange: &mut Exchange, name: &[u8], value: &[u8]) {
    keep_said(exchange, name);
    exchange.request.head.fields.set(name, value);
    if Known::of(name) == Known::Host {
        let host = value.split(|byte| *byte == b':').next().unwrap_or_default();
        exchange.request.host = host.to_ascii_lowercase();
    }
}

/// Removes a request header.
pub fn clear_header(exchange: &mut Exchange, name: &[u8]) {
    keep_said(exchange, name);
    exchange.request.head.fields.remove(name);
}

/// Decodes the first value of a query argument into `value`. Tells how often the argument is there, and
/// whether the first has a `=`.
pub fn query_arg(exchange: &Exchange, name: &[u8], value: &mut Vec<u8>) -> Option<(i32, bool)> {
    let mut args = Args::new(exchange.request.query()?, DEFAULT_MAX_ARGS);
    let mut found = None;
    while let Some((raw, text)) = args.next_raw() {
        // What is encoded is longer than what it means.
        if raw.len() < name.len() || *query::unescape(raw) != *name {
            continue;
        }
        let (count, _) = found.get_or_insert_with(|| {
            value.clear();
            value.extend_from_slice(&query::unescape(text.unwrap_or_default()));
            (0, text.is_some())
        });
        *count += 1;
    }
    found
}

/// A field value without the bytes that would end its line; they are percent-encoded.
pub fn clean(value: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    if !value.iter().any(breaks) {
        return value.into();
    }
    let mut out = Vec::with_capacity(value.len() + 8);
    for byte in value {
        if breaks(byte) {
            uri::push_triplet(&mut out, *byte);
        } else {
            out.push(*byte);
        }
    }
    out.into()
}

fn clear_query_arg(exchange: &mut Exchange, name: &[u8]) {
    let Some(query) = exchange.request.query().filter(|query| !query.is_empty()) else { return };
    let mut kept = Vec::with_capacity(query.len());
    query::push_without(&mut kept, query, name);
    exchange.request.args = Some((!kept.is_empty()).then_some(kept));
}

/// Sets the authority of a gRPC request; refuses for any other.
fn set_authority(frame: &Frame) -> Answer {
    let authority = frame.bytes(1)?;
    let set = context::with_exchange(|exchange| {
        if exchange.request.grpc {
            exchange.upstream.host_header = Some(authority.to_vec());
        }
        exchange.request.grpc
    })?;
    if set { Ok(0) } else { frame.fail("cannot set :authority pseudo-header on non-grpc requests") }
}

/// The client's certificates in PEM, leaf first; nil without one.
fn client_certificate_chain(frame: &Frame) -> Answer {
    let pem = context::with_exchange(|exchange| {
        let tls = exchange.client.tls.as_ref()?;
        let chain = &tls.client_certificates;
        (!chain.is_empty()).then(|| chain.iter().map(|der| pem_of(der)).collect::<String>())
    })?;
    match pem {
        Some(pem) => frame.push_text(&pem),
        None => frame.push_nil(),
    }
    Ok(1)
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
