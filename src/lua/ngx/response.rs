//! The response in `ngx`: status, fields, body, the chunk of `body_filter`, and ending the phase.

use super::fields::{add_field, fill_fields, most, push_excess, push_field, set_field};
use super::framing;
use crate::exchange::output::{self, Passed};
use crate::exchange::{Exchange, Phase, Source};
use crate::http::{Method, Version};
use crate::lua::context::{self, disabled, with_exchange};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::task::{self, Resume};
use crate::observability::log;
use std::borrow::Cow;
use std::ffi::c_int;
use tokio::sync::oneshot;

/// Bytes of output that wait for more: nginx's `postpone_output`.
const POSTPONED: usize = 1460;

pub(super) fn install(frame: &Frame, ngx: c_int) {
    install_head(frame, ngx);
    install_body(frame, ngx);
    install_end(frame, ngx);
}

fn install_head(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "_get_status", |frame| {
        with_exchange(|exchange| frame.push_integer(i64::from(exchange.response.head.status)))?;
        Ok(1)
    });
    frame.set_function(ngx, "_set_status", set_status);
    frame.set_function(ngx, "_headers_sent", |frame| {
        with_exchange(|exchange| frame.push_boolean(is_head_fixed(exchange)))?;
        Ok(1)
    });
    frame.set_function(ngx, "_get_header", |frame| {
        let name = dashed(frame.bytes(1)?);
        with_exchange(|exchange| push_field(frame, &exchange.response.head.fields, &name))?;
        Ok(1)
    });
    frame.set_function(ngx, "_set_header", set_header);
    super::noun(frame, ngx, "resp", |frame, table| {
        frame.set_function(table, "get_headers", |frame| {
            let max = most(frame, usize::MAX)?;
            with_exchange(|exchange| {
                let fields = &exchange.response.head.fields;
                frame.push_table(0, fields.len() + 2);
                let table = frame.top();
                // At the expense of others, of which there is one at least.
                let apart = framing::push(frame, exchange, table);
                let others = || fields.iter().filter(|(name, _)| !framing::is_apart(name));
                let lines = apart + others().count();
                let room = if lines > max { max.saturating_sub(apart).max(1) } else { lines };
                fill_fields(frame, others().take(room), table);
                push_excess(frame, "response", lines, max)
            })?
        });
        // A status with a reason phrase of its own.
        frame.set_function(table, "set_status", |frame| {
            set_status(frame)?;
            if let Some(reason) = frame.optional_bytes(2)? {
                require_safe(reason, "reason")?;
                with_exchange(|exchange| exchange.response.head.reason = reason.to_vec())?;
            }
            Ok(0)
        });
        frame.set_function(table, "add_header", |frame| {
            let name = frame.bytes(1)?;
            if frame.is_nil(2) {
                return Err(Flow::raise("invalid header value"));
            }
            with_exchange(|exchange| {
                add_field(frame, &mut exchange.response.head.fields, name, 2)?;
                Ok(0)
            })?
        });
    });
}

fn install_body(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "say", |frame| print(frame, b"\n"));
    frame.set_function(ngx, "print", |frame| print(frame, b""));
    frame.set_function(ngx, "send_headers", |frame| {
        require_output()?;
        with_exchange(|exchange| {
            let is_first = !exchange.response.begun;
            begin_output(exchange);
            if let Some(link) = exchange.client.raw().filter(|_| is_first && exchange.response.is_raw) {
                link.head(&exchange.response.head);
            }
        })?;
        frame.push_integer(1);
        Ok(1)
    });
    frame.set_function(ngx, "flush", flush);
    frame.set_function(ngx, "eof", |frame| {
        require_output()?;
        if with_exchange(|exchange| exchange.response.is_raw)? {
            return frame.fail("raw request socket acquired");
        } else if with_exchange(|exchange| exchange.response.ended)? {
            return frame.fail("seen eof");
        }
        with_exchange(|exchange| {
            begin_output(exchange);
            exchange.response.ended = true;
            if exchange.response.streams && !is_whole(exchange) {
                output::want(None);
            }
        })?;
        frame.push_integer(1);
        Ok(1)
    });
    frame.set_function(ngx, "_get_chunk", |frame| {
        require_chunk()?;
        let field = frame.integer(1)?;
        with_exchange(|exchange| match field {
            1 => frame.push_bytes(&exchange.response.chunk.data),
            2 => frame.push_boolean(exchange.response.chunk.eof),
            _ => frame.push_nil(),
        })?;
        Ok(1)
    });
    frame.set_function(ngx, "_set_chunk", set_chunk);
}

fn install_end(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "exit", exit);
    frame.set_function(ngx, "redirect", redirect);
    frame.set_function(ngx, "exec", |_| {
        Err(Flow::raise("ngx.exec is not supported: a gateway has no nginx locations"))
    });
    frame.set_function(ngx, "on_abort", |frame| {
        with_exchange(|_| ())?;
        frame.fail("lua_check_client_abort is off")
    });
    super::noun(frame, ngx, "location", |frame, table| {
        for name in ["capture", "capture_multi"] {
            frame.set_function(table, name, |_| {
                Err(Flow::raise("ngx.location.capture is not supported: a gateway has no nginx locations"))
            });
        }
    });
}

/// A field name as `ngx.header` takes it: underscores stand for dashes.
fn dashed(name: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'_', name).is_none() {
        return name.into();
    }
    name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect()
}

/// Gives a field one value, as `ngx.header[name] = value` does; false once the head is on its way.
pub(super) fn set_text(exchange: &mut Exchange, name: &[u8], value: &[u8]) -> bool {
    if is_head_fixed(exchange) {
        return false;
    }
    let name = dashed(name);
    if name.is_empty() {
        return true;
    }
    if is_length(&name) && !value.iter().all(u8::is_ascii_digit) {
        return false;
    }
    if value.is_empty() {
        exchange.response.head.fields.remove(&name);
    } else {
        exchange.response.head.fields.set(&name, value);
    }
    true
}

fn set_status(frame: &Frame) -> Answer {
    let status = frame.integer(1)?;
    let status = u16::try_from(status).map_err(|_| Flow::raise("invalid status"))?;
    with_exchange(|exchange| {
        if is_head_fixed(exchange) {
            log::error!("attempt to set ngx.status after sending out response headers");
            return;
        }
        exchange.response.head.status = status;
        exchange.response.head.reason.clear();
    })?;
    Ok(0)
}

fn set_header(frame: &Frame) -> Answer {
    let name = dashed(frame.bytes(1)?);
    with_exchange(|exchange| {
        if is_head_fixed(exchange) {
            log::error!("attempt to set ngx.header.HEADER after sending out response headers");
            return Ok(0);
        }
        if name.is_empty() {
            return Ok(0);
        }
        if is_length(&name) {
            check_length(frame)?;
        }
        let fields = &mut exchange.response.head.fields;
        if frame.kind(2) == Kind::Table && frame.length(2) > 1 && is_single(&name) {
            // Each value takes the place of the one before.
            frame.push_index(2, frame.length(2));
            set_field(frame, fields, &name, frame.top())?;
        } else {
            set_field(frame, fields, &name, 2)?;
        }
        Ok(0)
    })?
}

fn is_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Length")
}

/// Refuses a length, the second argument, that is none.
fn check_length(frame: &Frame) -> Result<(), Flow> {
    let is_number = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    match frame.kind(2) {
        Kind::String | Kind::Number if !is_number(frame.bytes(2)?) => {
            Err(Flow::raise("failed to set header"))
        }
        _ => Ok(()),
    }
}

/// Whether a field has one line at most, however many values it is given.
fn is_single(name: &[u8]) -> bool {
    const SINGLE: [&[u8]; 14] = [
        b"Server",
        b"Date",
        b"Content-Type",
        b"Content-Length",
        b"Content-Encoding",
        b"Content-Range",
        b"Location",
        b"Last-Modified",
        b"Accept-Ranges",
        b"Expires",
        b"ETag",
        b"E-Tag",
        b"Refresh",
        b"WWW-Authenticate",
    ];
    SINGLE.iter().any(|single| name.eq_ignore_ascii_case(single))
}

fn require_output() -> Result<(), Flow> {
    match context::phase() {
        Phase::Rewrite | Phase::Access | Phase::Response | Phase::Error | Phase::AdminApi => Ok(()),
        phase => Err(disabled(phase)),
    }
}

/// Output makes the gateway the source of the response, 200 unless a status was set.
fn begin_response(exchange: &mut Exchange) {
    if exchange.response.head.status == 0 {
        exchange.response.head.status = 200;
    }
    exchange.response.source = Source::Script;
    exchange.lua.exited = true;
}

/// As [`begin_response`], and fixes the head for the code that writes.
fn begin_output(exchange: &mut Exchange) {
    begin_response(exchange);
    exchange.response.begun = true;
}

/// Why no more output is taken.
fn refusal(exchange: &Exchange) -> Option<&'static str> {
    if exchange.response.is_raw {
        Some("raw request socket acquired")
    } else if exchange.response.ended {
        Some("seen eof")
    } else if exchange.response.begun && exchange.request.head.method == Method::HEAD {
        Some("header only")
    } else {
        None
    }
}

/// Whether output waits for the end of its phase, as it does for a client that could not tell its end otherwise.
///
/// *Kong parity*: `lua_http10_buffering`.
fn is_whole(exchange: &Exchange) -> bool {
    exchange.request.head.version < Version::Http11 && !exchange.response.head_sent
}

/// Whether the response's head can be changed no more by the running code.
fn is_head_fixed(exchange: &Exchange) -> bool {
    exchange.response.head_sent || (exchange.response.begun && exchange.phase != Phase::HeaderFilter)
}

fn print(frame: &Frame, end: &[u8]) -> Answer {
    require_output()?;
    if let Some(refused) = with_exchange(|exchange| refusal(exchange))? {
        return frame.fail(refused);
    }
    let mut text = Vec::new();
    for at in 1..=frame.top() {
        append(frame, at, at, &mut text)?;
    }
    text.extend_from_slice(end);
    with_exchange(|exchange| {
        begin_output(exchange);
        if !exchange.response.body.is_empty() && !text.is_empty() {
            exchange.response.pieces.push(exchange.response.body.len());
        }
        exchange.response.body.extend_from_slice(&text);
        if exchange.response.streams && exchange.response.body.len() >= POSTPONED && !is_whole(exchange) {
            output::want(None);
        }
    })?;
    frame.push_integer(1);
    Ok(1)
}

/// `flush(waits?)`: has what was written so far leave, and may wait until the client's system has it.
///
/// Where nobody passes output on while code runs (the Admin API, tests) it leaves at the end of the phase.
fn flush(frame: &Frame) -> Answer {
    require_output()?;
    if let Some(refused) = with_exchange(|exchange| refusal(exchange))? {
        return frame.fail(refused);
    }
    let (begun, streams) = with_exchange(|exchange| (exchange.response.begun, exchange.response.streams))?;
    if !begun {
        return frame.fail("nothing to flush");
    }
    if with_exchange(|exchange| is_whole(exchange))? {
        return frame.fail("buffering");
    }
    if streams && frame.truth(1) {
        let (waiting, passed) = oneshot::channel();
        output::want(Some(waiting));
        return frame.wait(async move {
            let passed = passed.await;
            Box::new(move |frame: &Frame| match passed {
                Ok(Passed::Sent) => {
                    frame.push_integer(1);
                    Ok(1)
                }
                Ok(Passed::Failed) => frame.fail("nginx output filter error"),
                Ok(Passed::Gone) | Err(_) => frame.fail("client aborted"),
            }) as Resume
        });
    }
    if streams {
        output::want(None);
    }
    frame.push_integer(1);
    Ok(1)
}

/// Appends the text of a value; tables are lists of values, nested at will.
fn append(frame: &Frame, at: c_int, argument: c_int, out: &mut Vec<u8>) -> Result<(), Flow> {
    match frame.kind(at) {
        Kind::String | Kind::Number => out.extend_from_slice(frame.bytes(at)?),
        Kind::Nil => out.extend_from_slice(b"nil"),
        Kind::Boolean => out.extend_from_slice(if frame.truth(at) { b"true" } else { b"false" }),
        Kind::Light if frame.pointer(at).is_null() => out.extend_from_slice(b"null"),
        Kind::Table => {
            frame.reserve(4)?;
            require_list(frame, at, argument)?;
            for index in 1..=frame.length(at) {
                frame.push_index(at, index);
                append(frame, frame.top(), argument, out)?;
                frame.pop(1);
            }
        }
        _ => {
            let kind = frame.kind_name(at);
            let text =
                format!("string, number, boolean, nil, ngx.null, or array table expected, but got {kind}");
            return Err(Flow::Argument(argument, text));
        }
    }
    Ok(())
}

/// Refuses a table with keys that no list has.
fn require_list(frame: &Frame, at: c_int, argument: c_int) -> Result<(), Flow> {
    frame.push_nil();
    while frame.next(at) {
        frame.pop(1);
        let is_position = frame.kind(-1) == Kind::Number && frame.number(-1)? >= 1.0;
        if !is_position {
            frame.pop(1);
            return Err(Flow::Argument(argument, "non-array table found".into()));
        }
    }
    Ok(())
}

/// There is a chunk while a body is filtered.
fn require_chunk() -> Result<(), Flow> {
    match context::phase() {
        Phase::BodyFilter => Ok(()),
        _ => Err(Flow::raise("API disabled in the current context")),
    }
}

/// Sets `ngx.arg[1]` (text, a list, or `nil` for nothing) or `ngx.arg[2]`.
fn set_chunk(frame: &Frame) -> Answer {
    require_chunk()?;
    let field = frame.integer(1)?;
    let mut data = Vec::new();
    if field == 1 && !frame.is_nil(2) {
        append(frame, 2, 2, &mut data)?;
    }
    let eof = frame.truth(2);
    with_exchange(|exchange| match field {
        1 => {
            exchange.response.chunk.data = data;
            Ok(0)
        }
        2 => {
            exchange.response.chunk.eof = eof;
            Ok(0)
        }
        _ => Err(Flow::raise("bad argument number")),
    })?
}

/// Refuses a text that would break the line it goes into.
///
/// # Errors
/// nginx's words, with the bytes that are no printable ASCII escaped.
pub(super) fn require_safe(text: &[u8], what: &str) -> Result<(), Flow> {
    let Some(byte) = text.iter().find(|byte| (**byte < b' ' && **byte != b'\t') || **byte == 0x7f) else {
        return Ok(());
    };
    let mut shown = String::with_capacity(text.len() + 8);
    for &byte in text {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => shown.push(char::from(byte)),
            _ => shown.push_str(&format!("\\x{byte:02X}")),
        }
    }
    Err(Flow::raise(format!("unsafe byte \"0x{byte:02x}\" in {what} \"{shown}\"")))
}

/// Ends the phase. A status ends the request with it; `ngx.OK` goes on with the next phase.
fn exit(frame: &Frame) -> Answer {
    let status = frame.number(1)? as i64;
    if matches!(status, -2 | -4) {
        let text = "bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE";
        return Err(Flow::raise(text));
    }
    match context::phase() {
        Phase::Log | Phase::BodyFilter | Phase::Init | Phase::InitWorker => {
            return Err(disabled(context::phase()));
        }
        Phase::HeaderFilter => {
            replace(status)?;
            return Ok(0);
        }
        Phase::Balancer => {
            set_exit_status(status)?;
            return Ok(0);
        }
        Phase::Timer | Phase::Preread | Phase::Certificate => {}
        _ => set_exit_status(status)?,
    }
    Err(task::exit())
}

/// The status that `ngx.exit(status)` stands for, if it does for one.
const fn exit_status(status: i64) -> Option<u16> {
    match status {
        -1 => Some(500),
        100..=999 => Some(status as u16),
        _ => None,
    }
}

/// Puts a page, or nothing for a status that has none, in the place of the response that is being filtered. The
/// code goes on, as does that of the other plugins.
fn replace(status: i64) -> Result<(), Flow> {
    let Some(status) = exit_status(status) else { return Ok(()) };
    with_exchange(|exchange| {
        let response = &mut exchange.response;
        response.head.status = status;
        response.head.reason.clear();
        response.body.clear();
        response.pieces.clear();
        response.is_page = false;
        response.is_replaced = true;
        response.wants_page = ends_bare(status);
        response.head.fields.remove(b"Content-Encoding");
        response.head.fields.remove(b"Transfer-Encoding");
        response.head.fields.set(b"Content-Length", b"0");
    })
}

fn set_exit_status(status: i64) -> Result<(), Flow> {
    let Some(status) = exit_status(status) else { return Ok(()) };
    with_exchange(|exchange| {
        let exited = exchange.lua.exited;
        let response = &mut exchange.response;
        if response.head_sent || response.begun {
            let sent = response.head.status;
            if status >= 300 && status != sent && !matches!(status, 408 | 444 | 499) {
                log::error!(
                    "attempt to set status {status} via ngx.exit after sending out the response status {sent}"
                );
            }
        } else {
            // After `kong.response.exit` the head has its status and the body is there.
            // A success sends what there is, under the status that code has set before.
            let sends = matches!(status, 200..=203 | 205..=299) && response.head.status != 0;
            if (response.body.is_empty() && !sends) || response.head.status == 0 {
                response.head.status = status;
                response.head.reason.clear();
            }
            response.wants_page = !exited && response.body.is_empty() && ends_bare(status);
        }
        if !exited {
            response.source = Source::Script;
        }
        exchange.lua.exited = true;
    })
}

/// Whether nginx ends a response of a status and nothing else by itself: with a page of its own or of ours, or
/// by closing the connection.
pub(crate) const fn ends_bare(status: u16) -> bool {
    matches!(status, 301..=303 | 307 | 308 | 400..=406 | 408..=417 | 421 | 429 | 494..=497 | 499..=507)
}

fn redirect(frame: &Frame) -> Answer {
    require_output()?;
    let location = frame.bytes(1)?;
    require_safe(location, "redirect uri")?;
    let status = frame.optional_number(2)?.unwrap_or(302.0) as u16;
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        let text = "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed";
        return Err(Flow::raise(text));
    }
    with_exchange(|exchange| {
        if exchange.response.head_sent || exchange.response.begun {
            return Err(Flow::raise("attempt to call ngx.redirect after sending out the headers"));
        }
        begin_response(exchange);
        exchange.response.wants_page = true;
        exchange.response.head.status = status;
        exchange.response.head.fields.set(b"Location", location);
        Ok(())
    })??;
    Err(task::exit())
}
