//! The response of an exchange.

use crate::exchange::{Exchange, Phase, Source, Try};
use crate::http::same_but_dashes;
use crate::lua::frame::{Answer, Frame};
use crate::lua::ngx::ends_bare;
use crate::lua::{context, task};
use std::ffi::c_int;
use std::net::SocketAddr;

/// Headers that are read where no other number is given.
const READ_BY_DEFAULT: usize = 100;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "set_status", |frame| {
        let status = frame.integer(1)?;
        context::with_exchange(|exchange| {
            exchange.response.head.status = u16::try_from(status).unwrap_or(500);
            exchange.response.head.reason.clear();
        })?;
        Ok(0)
    });
    frame.set_function(table, "add_response_header", |frame| {
        let name = frame.bytes(1)?;
        super::each_value(frame, 2, |value| {
            let value = super::request::clean(value);
            context::with_exchange(|exchange| exchange.response.head.fields.append(name, &value))
        })?;
        Ok(0)
    });
    frame.set_function(table, "finish", finish);
    // For mock servers of specs: their own `Server` and `Via` go out as an upstream's would.
    frame.set_function(table, "pass_as_proxied", |_| {
        context::with_exchange(|exchange| {
            exchange.response.source = Source::Upstream;
            let peer = SocketAddr::from(([127, 0, 0, 1], 0));
            exchange.upstream.tries.push(Try { peer, hostname: None, start: 0, latency: 0, failure: None });
        })?;
        Ok(0)
    });
    frame.set_function(table, "response_body", |frame| {
        context::with_exchange(|exchange| frame.push_bytes(&exchange.response.body))?;
        Ok(1)
    });
}

/// The value of the first line of a response header, and how many lines it has.
///
/// *Kong parity*: a header behind more lines than `ngx.resp.get_headers()` reads is not found.
pub fn header<'a>(exchange: &'a Exchange, name: &[u8]) -> Option<(&'a [u8], usize)> {
    let fields = &exchange.response.head.fields;
    if fields.len() > READ_BY_DEFAULT {
        let read = fields.iter().take(super::limit("lua_max_resp_headers", READ_BY_DEFAULT));
        if !read.map(|(other, _)| other).any(|other| same_but_dashes(other, name)) {
            return None;
        }
    }
    fields.value_or_dashed(name)
}

/// Gives the response its body and ends the phase.
///
/// *Kong parity*: without a body the status gets nginx's page, if it has one.
fn finish(frame: &Frame) -> Answer {
    let given = frame.optional_bytes(1)?;
    let body = given.unwrap_or_default();
    context::with_exchange(|exchange| {
        exchange.response.body.clear();
        exchange.response.pieces.clear();
        exchange.response.body.extend_from_slice(body);
        exchange.response.source = Source::Exit;
        exchange.response.wants_page = given.is_none()
            && matches!(exchange.phase, Phase::Rewrite | Phase::Access | Phase::Response)
            && ends_bare(exchange.response.head.status);
        exchange.lua.exited = true;
        if exchange.phase == Phase::Access {
            exchange.lua.buffered = false;
        }
    })?;
    Err(task::exit())
}
