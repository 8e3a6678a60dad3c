//! `kong.dns`: the worker's resolver.

use super::settings;
use super::values;
use crate::dns::{Answer as DnsAnswer, Data, Kind as RecordKind, Record, Resolver, Unresolved};
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::task::Resume;
use std::ffi::c_int;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "dns_resolve", resolve);
    frame.set_function(table, "dns_to_ip", to_ip);
    frame.set_function(table, "dns_stats", |frame| {
        let stats = serde_json::to_value(resolver()?.stats()).unwrap_or_default();
        values::push(frame, &stats)?;
        Ok(1)
    });
}

fn resolver() -> Result<Resolver, Flow> {
    let resolver = settings().and_then(|settings| settings.resolver.clone());
    resolver.ok_or_else(|| Flow::raise("no resolver is available here"))
}

/// `dns_resolve(name, type?, cache_only)`: the records; nil, why not, and what was tried.
fn resolve(frame: &Frame) -> Answer {
    let (resolver, name) = (resolver()?, frame.text(1)?.into_owned());
    let kind = match frame.optional_number(2)? {
        None => None,
        Some(number) => match RecordKind::numbered(number as i64) {
            Some(kind) => Some(kind),
            None => return frame.fail(format!("type {number} is not supported")),
        },
    };
    let cache_only = frame.truth(3) || !context::phase().may_wait();
    let work = async move { resolver.resolve(&name, kind, cache_only).await };
    finish(frame, work, |frame, answer| push_answer(frame, &answer))
}

/// `dns_to_ip(name, port, cache_only)`: address and port; nil, why not, and what was tried.
fn to_ip(frame: &Frame) -> Answer {
    let (resolver, name) = (resolver()?, frame.text(1)?.into_owned());
    let port = frame.optional_number(2)?;
    let cache_only = frame.truth(3) || !context::phase().may_wait();
    let asked = port.map_or(0, |port| port as u16);
    let work = async move { resolver.to_ip(&name, asked, cache_only).await };
    finish(frame, work, move |frame, address| {
        frame.push_text(&address.ip.to_string());
        if address.port == 0 && port.is_none() {
            frame.push_nil();
        } else {
            frame.push_integer(address.port.into());
        }
        Ok(2)
    })
}

/// Answers at once what is known at once, and waits for the rest.
fn finish<T: 'static>(
    frame: &Frame,
    work: impl Future<Output = Result<T, Unresolved>> + 'static,
    push: impl FnOnce(&Frame, T) -> Answer + 'static,
) -> Answer {
    let mut work = Box::pin(work);
    let answer = |frame: &Frame, result: Result<T, Unresolved>| match result {
        Ok(found) => push(frame, found),
        Err(Unresolved { error, tries }) => {
            frame.push_nil();
            frame.push_text(&error.to_string());
            frame.push_text(&tries.to_string());
            Ok(3)
        }
    };
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => answer(frame, result),
        Poll::Pending => frame.wait(async move {
            let result = work.await;
            Box::new(move |frame: &Frame| answer(frame, result)) as Resume
        }),
    }
}

fn push_answer(frame: &Frame, answer: &Rc<DnsAnswer>) -> Answer {
    frame.push_table(answer.records.len(), 1);
    for (at, record) in answer.records.iter().enumerate() {
        frame.reserve(4)?;
        push_record(frame, record);
        frame.set_index(-2, at + 1);
    }
    let left = answer.expires.saturating_duration_since(Instant::now());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    frame.push_number((now + left).as_secs_f64());
    frame.set_field(-2, "expire");
    Ok(1)
}

/// A record in the form of `resty.dns.resolver`.
fn push_record(frame: &Frame, record: &Record) {
    frame.push_table(0, 8);
    let text = |name: &str, value: &str| {
        frame.push_text(value);
        frame.set_field(-2, name);
    };
    let number = |name: &str, value: u32| {
        frame.push_integer(value.into());
        frame.set_field(-2, name);
    };
    text("name", &record.name);
    number("type", record.kind().number().into());
    number("class", 1);
    number("ttl", record.ttl);
    match &record.data {
        Data::Address(ip) => text("address", &ip.to_string()),
        Data::Cname(alias) => text("cname", alias),
        Data::Srv { priority, weight, port, target } => {
            number("priority", (*priority).into());
            number("weight", (*weight).into());
            number("port", (*port).into());
            text("target", target);
        }
    }
}
