//! The lines of a response that nginx keeps apart from its list of fields: they tell its type and frame it.

use crate::exchange::{Exchange, Phase};
use crate::http::{Known, Version};
use crate::lua::frame::Frame;
use std::ffi::c_int;

/// Adds type, length, `connection` and, once the head is on its way, `transfer-encoding` to the table of a
/// response's fields; the answer is how many they are.
///
/// *Kong parity*: they are there whatever the bound of `get_headers`, and in lower case even if it is asked for
/// names as they are.
pub(super) fn push(frame: &Frame, exchange: &Exchange, table: c_int) -> usize {
    let fields = &exchange.response.head.fields;
    let mut lines = 1;
    for name in ["content-type", "content-length"] {
        if let Some(value) = fields.value(name.as_bytes()) {
            frame.push_bytes(value);
            frame.set_field(table, name);
            lines += 1;
        }
    }
    frame.push_text(connection(exchange));
    frame.set_field(table, "connection");
    if is_chunked(exchange) {
        frame.push_text("chunked");
        frame.set_field(table, "transfer-encoding");
        lines += 1;
    }
    lines
}

/// What `Connection` says to the client.
pub(super) fn connection(exchange: &Exchange) -> &'static str {
    match exchange.response.head.status {
        101 => "upgrade",
        // *Kong parity*: by then the connection is no longer the request's.
        _ if exchange.phase == Phase::Log => "close",
        _ if exchange.request.wants_keep_alive() => "keep-alive",
        _ => "close",
    }
}

/// Whether a field is one of those that [`push`] adds.
pub(super) fn is_apart(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"content-length")
}

fn is_chunked(exchange: &Exchange) -> bool {
    let head = &exchange.response.head;
    let sent = matches!(exchange.phase, Phase::BodyFilter | Phase::Log);
    let bodiless = head.status < 200 || matches!(head.status, 204 | 304);
    sent && !bodiless
        && exchange.request.head.version == Version::Http11
        && exchange.request.head.method.as_bytes() != b"HEAD"
        && !head.fields.has(Known::ContentLength)
        && !head.fields.has(Known::TransferEncoding)
}
