//! The request body in `ngx.req`.
#![allow(unsafe_code)] // A wait outlives the call, so that it keeps the exchange by its address.

use crate::exchange::{BodyError, Exchange, RequestBody, current};
use crate::lua::context::{require_waiting, with_exchange};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::task::{self, Resume};
use crate::lua::vm::Vm;
use std::ffi::c_int;
use std::path::PathBuf;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "read_body", read_body);
    frame.set_function(table, "discard_body", |_| {
        with_exchange(|exchange| drop(exchange.request.body.take_source()))?;
        Ok(0)
    });
    frame.set_function(table, "get_body_data", get_body_data);
    frame.set_function(table, "get_body_file", |frame| {
        with_exchange(|exchange| match &exchange.request.body {
            RequestBody::Spooled(file) => frame.push_text(&file.path.to_string_lossy()),
            _ => frame.push_nil(),
        })?;
        Ok(1)
    });
    frame.set_function(table, "set_body_data", |frame| set_body(frame.bytes(1)?.to_vec()));
    frame.set_function(table, "set_body_file", |frame| {
        let path = frame.text(1)?;
        let body = std::fs::read(&*path).map_err(|_| Flow::raise(format!("stat() \"{path}\" failed")))?;
        if frame.truth(2) {
            // The caller gives the file away; one that cannot be removed stays.
            let _ = std::fs::remove_file(&*path);
        }
        set_body(body)
    });
    frame.set_function(table, "init_body", |_| set_body(Vec::new()));
    frame.set_function(table, "append_body", |frame| {
        let more = frame.bytes(1)?;
        with_exchange(|exchange| match &mut exchange.request.body {
            RequestBody::Memory(body) => {
                body.extend_from_slice(more);
                Ok(0)
            }
            _ => Err(Flow::raise("request body not initialized")),
        })?
    });
    frame.set_function(table, "finish_body", |_| {
        with_exchange(set_content_length)?;
        Ok(0)
    });
}

/// Reads the body whole: into memory, or into a file where it is large.
///
/// A body that cannot be read ends the request with the status nginx gives for it.
fn read_body(frame: &Frame) -> Answer {
    require_waiting()?;
    let Some(source) = with_exchange(|exchange| exchange.request.body.take_source())? else {
        return Ok(0);
    };
    let settings = Vm::current()?;
    let memory = settings.settings().body_memory;
    let spool: PathBuf = settings.settings().prefix.join("client_body_temp");
    let exchange = current::pointer();
    frame.wait(async move {
        let body = RequestBody::read_all(source, memory, &spool).await;
        Box::new(move |_: &Frame| {
            // SAFETY: the exchange outlives the call that waits, and nobody else uses it meanwhile.
            let Some(exchange) = (unsafe { exchange.as_mut() }) else { return Ok(0) };
            take_in(exchange, body)
        }) as Resume
    })
}

fn take_in(exchange: &mut Exchange, body: Result<RequestBody, BodyError>) -> Answer {
    match body {
        Ok(body) => {
            exchange.request.body = body;
            Ok(0)
        }
        Err(error) => {
            exchange.response.head.status = match error {
                BodyError::TooLarge => 413,
                BodyError::Malformed => 400,
                BodyError::Timeout => 408,
                BodyError::Closed(_) => 499,
                BodyError::Spool(_) => 500,
            };
            exchange.response.source = crate::exchange::Source::Error;
            exchange.lua.exited = true;
            Err(task::exit())
        }
    }
}

fn get_body_data(frame: &Frame) -> Answer {
    let max = frame.optional_number(1)?.filter(|max| *max > 0.0).map(|max| max as usize);
    with_exchange(|exchange| match exchange.request.body.in_memory() {
        Some(body) if !body.is_empty() => {
            let end = max.unwrap_or(body.len()).min(body.len());
            frame.push_bytes(body.get(..end).unwrap_or_default());
        }
        _ => frame.push_nil(),
    })?;
    Ok(1)
}

fn set_body(body: Vec<u8>) -> Answer {
    with_exchange(|exchange| {
        if exchange.request.body.is_unread() {
            return Err(Flow::raise("request body not read yet"));
        }
        exchange.request.body = RequestBody::Memory(body);
        set_content_length(exchange);
        Ok(0)
    })?
}

fn set_content_length(exchange: &mut Exchange) {
    let length = exchange.request.body.in_memory().map_or(0, <[u8]>::len);
    let fields = &mut exchange.request.head.fields;
    fields.set(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
    fields.remove(b"Transfer-Encoding");
}
