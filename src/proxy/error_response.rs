//! Responses that tell of an error.

use super::error_pages::{self, Format};
use super::{ProxyError, Worker};
use crate::exchange::{Exchange, Source};

/// Makes the response for something the gateway decided: `Accept` chooses the format, JSON is the
/// default.
pub fn tell(worker: &Worker, exchange: &mut Exchange, status: u16, message: &str) {
    let format = if exchange.request.grpc {
        Format::Grpc
    } else {
        Format::accepted(&exchange.request.head.fields.values(b"Accept").collect::<Vec<_>>().join(&b','))
    };
    begin(exchange, status, Source::Exit);
    fill(worker, exchange, format, message);
}

/// Makes the response of a request whose plugin threw.
///
/// *Kong parity*: the same document as for any other message, in the format that the client accepts.
pub fn unexpected(worker: &Worker, exchange: &mut Exchange) {
    tell(worker, exchange, 500, "An unexpected error occurred");
    exchange.response.source = Source::Error;
    exchange.response.is_unexpected = true;
}

/// Makes the response for something that went wrong underneath.
pub fn underneath(worker: &Worker, exchange: &mut Exchange, error: &ProxyError) {
    if let (ProxyError::NoPeer { status, message }, false) = (error, exchange.is_proxied()) {
        return tell(worker, exchange, *status, message);
    }
    let status = error.status();
    begin(exchange, if matches!(status, 494 | 497) { 400 } else { status }, Source::Error);
    page(worker, exchange, status);
}

fn page(worker: &Worker, exchange: &mut Exchange, status: u16) {
    if error_pages::is_ours(status) {
        let request = &exchange.request;
        let default = &worker.settings.error_default_type;
        let format = Format::underneath(&request.head.fields, request.grpc, default);
        fill(worker, exchange, format, &error_pages::message(status));
    } else {
        plain_page(exchange, status);
    }
}

fn plain_page(exchange: &mut Exchange, status: u16) {
    exchange.response.head.fields.set(b"Content-Type", b"text/html");
    error_pages::plain_page(status, &mut exchange.response.body);
    exchange.response.is_page = true;
    set_length(exchange);
}

/// Makes the body of a response that a plugin ended with a status and nothing else, by `ngx.exit`.
///
/// *Kong parity*: statuses that Kong has an error page for get that, others nginx's.
pub fn finish_bare(worker: &Worker, exchange: &mut Exchange) {
    if !std::mem::take(&mut exchange.response.wants_page) || !exchange.response.body.is_empty() {
        return;
    }
    exchange.response.source = Source::Error;
    let status = exchange.response.head.status;
    if matches!(status, 494 | 497) {
        exchange.response.head.status = 400;
    }
    page(worker, exchange, status);
}

/// Makes the response that sends a client elsewhere, with nginx's page.
pub fn redirect(exchange: &mut Exchange, status: u16, location: &[u8]) {
    begin(exchange, status, Source::Exit);
    exchange.response.head.fields.append(b"Location", location);
    plain_page(exchange, status);
}

/// Clears what an upstream said and sets the status.
///
/// *Kong parity*: the field lines that plugins have set so far stay.
pub fn begin(exchange: &mut Exchange, status: u16, source: Source) {
    let response = &mut exchange.response;
    if response.source == Source::Upstream {
        response.head.clear();
    }
    response.head.status = status;
    response.head.reason.clear();
    response.body.clear();
    response.pieces.clear();
    response.is_page = false;
    response.source = source;
}

fn fill(worker: &Worker, exchange: &mut Exchange, format: Format, message: &str) {
    let fields = &mut exchange.response.head.fields;
    fields.set(b"Content-Type", format.content_type().as_bytes());
    if format == Format::Grpc {
        let code = grpc_status(exchange.response.head.status);
        fields.append(b"grpc-status", itoa::Buffer::new().format(code).as_bytes());
        fields.append(b"grpc-message", message.as_bytes());
    }
    let id = exchange.id;
    worker.settings.templates.render(format, message, id.as_str(), &mut exchange.response.body);
    set_length(exchange);
}

/// Declares the length of a body made here.
pub fn set_length(exchange: &mut Exchange) {
    let length = exchange.response.body.len();
    exchange.response.head.fields.set(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
}

/// The gRPC status that stands for an HTTP status.
fn grpc_status(status: u16) -> u16 {
    match status {
        200 => 0,
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        500 => 13,
        501 => 12,
        503 => 14,
        504 => 4,
        _ => 2,
    }
}
