//! The fields of a response that frame it: they are decided when it is sent and stand in no head.

use crate::exchange::{Exchange, Phase};
use crate::http::{Known, Version};
use crate::lua::frame::Frame;
use std::ffi::c_int;

/// How many lines [`push`] adds.
pub(super) fn count(exchange: &Exchange) -> usize {
    let connection = !exchange.response.head.fields.has(Known::Connection);
    usize::from(connection) + usize::from(is_chunked(exchange))
}

/// Adds `connection`, and `transfer-encoding` once the head is on its way, to the table of a
/// response's fields, under these names or, if `raw`, in their usual case.
///
/// *Kong parity*: records of requests have both.
pub(super) fn push(frame: &Frame, exchange: &Exchange, table: c_int, raw: bool) {
    if !exchange.response.head.fields.has(Known::Connection) {
        frame.push_text(connection(exchange));
        frame.set_field(table, if raw { "Connection" } else { "connection" });
    }
    if is_chunked(exchange) {
        frame.push_text("chunked");
        frame.set_field(table, if raw { "Transfer-Encoding" } else { "transfer-encoding" });
    }
}

fn connection(exchange: &Exchange) -> &'static str {
    match exchange.response.head.status {
        101 => "upgrade",
        // *Kong parity*: by then the connection is no longer the request's.
        _ if exchange.phase == Phase::Log => "close",
        _ if exchange.request.wants_keep_alive() => "keep-alive",
        _ => "close",
    }
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
