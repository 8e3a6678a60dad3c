//! What the request matched: `kong.router`, captures, configurations for a consumer.

use super::values;
use crate::exchange::{Exchange, Source, Times};
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::plugin::Runner;
use crate::router::UriCaptures;
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "matched", matched);
    frame.set_function(table, "route_entity", |frame| {
        push_entity(frame, |exchange| {
            let route = exchange.matched.as_ref()?.route;
            Some(&exchange.snapshot.routes.get(route)?.entity)
        })
    });
    frame.set_function(table, "service_entity", |frame| {
        push_entity(frame, |exchange| {
            let service = exchange.upstream.service.or_else(|| service_of_route(exchange))?;
            Some(&exchange.snapshot.services.get(service)?.entity)
        })
    });
    frame.set_function(table, "uri_captures", uri_captures);
    frame.set_function(table, "consumer_conf", |frame| {
        let number = usize::try_from(frame.integer(1)?).unwrap_or(0);
        // A plugin may take anything for a consumer, also what has no id.
        let Some(consumer) = frame.text_at(2) else {
            frame.push_nil();
            return Ok(1);
        };
        let consumer = String::from_utf8_lossy(consumer);
        context::with_exchange(|exchange| {
            Runner::push_consumer_config(frame, exchange, number, &consumer);
        })?;
        Ok(1)
    });
    frame.set_function(table, "times", times);
    frame.set_function(table, "time_ns", |frame| {
        let step = usize::try_from(frame.integer(1)?).unwrap_or(0);
        let times = context::with_exchange(|exchange| exchange.times)?;
        match steps(&times).get(step.wrapping_sub(1)).filter(|step| **step > 0) {
            Some(step) => frame.push_number(*step as f64 * 1000.0),
            None => frame.push_nil(),
        }
        Ok(1)
    });
    // Where compiled code of a phase ends one trace and begins the next.
    frame.set_function(table, "seam", |_| Ok(0));
    frame.set_function(table, "enter_span", |frame| {
        let name = frame.text(1)?;
        context::with_exchange(|exchange| {
            if let Some(timing) = &mut exchange.timing {
                timing.enter(&name);
            }
        })?;
        Ok(0)
    });
    frame.set_function(table, "leave_span", |_| {
        context::with_exchange(|exchange| {
            if let Some(timing) = &mut exchange.timing {
                timing.leave();
            }
        })?;
        Ok(0)
    });
    frame.set_function(table, "source", |frame| {
        context::with_exchange(|exchange| match exchange.response.source {
            Source::None => frame.push_nil(),
            source => frame.push_text(source.as_str()),
        })?;
        Ok(1)
    });
}

fn service_of_route(exchange: &Exchange) -> Option<usize> {
    exchange.snapshot.routes.get(exchange.matched.as_ref()?.route)?.service
}

/// Generation, index of the route and index of the service, each or the latter two nil.
fn matched(frame: &Frame) -> Answer {
    let (generation, route, service) = context::with_exchange(|exchange| {
        let route = exchange.matched.as_ref().map(|found| found.route);
        (
            exchange.snapshot.generation,
            route,
            exchange.upstream.service.or_else(|| service_of_route(exchange)),
        )
    })?;
    frame.push_number(generation as f64);
    for index in [route, service] {
        match index {
            Some(index) => frame.push_integer(index as i64),
            None => frame.push_nil(),
        }
    }
    Ok(3)
}

type Entity = serde_json::Map<String, serde_json::Value>;

fn push_entity(frame: &Frame, find: fn(&Exchange) -> Option<&std::sync::Arc<Entity>>) -> Answer {
    match context::with_exchange(|exchange| find(exchange).cloned())? {
        Some(entity) => values::push_object(frame, &entity)?,
        None => frame.push_nil(),
    }
    Ok(1)
}

/// A table of what the groups of the route's regex captured, by number and by name; nil for none.
fn uri_captures(frame: &Frame) -> Answer {
    let captures = context::with_exchange(|exchange| {
        let found = exchange.matched?;
        exchange.snapshot.router.captures(&found, &exchange.match_input())
    })?;
    match captures {
        Some(captures) => push_captures(frame, &captures)?,
        None => frame.push_nil(),
    }
    Ok(1)
}

fn push_captures(frame: &Frame, captures: &UriCaptures) -> Result<(), Flow> {
    frame.push_table(captures.numbered.len(), captures.named.len() + 1);
    let table = frame.top();
    for (number, text) in captures.numbered.iter().enumerate() {
        let Some(text) = text else { continue };
        frame.reserve(4)?;
        frame.push_bytes(text);
        frame.set_index(table, number);
    }
    for (name, text) in &captures.named {
        frame.reserve(4)?;
        frame.push_bytes(text);
        frame.set_field(table, name);
    }
    Ok(())
}

/// When the steps of the exchange happened, in milliseconds, in the order of `Times`; zero for never.
fn times(frame: &Frame) -> Answer {
    let times = context::with_exchange(|exchange| exchange.times)?;
    let steps = steps(&times);
    frame.reserve(steps.len())?;
    for step in steps {
        frame.push_number((step / 1000) as f64);
    }
    Ok(steps.len() as c_int)
}

/// The steps in the order in which Lua numbers them, from 1.
const fn steps(times: &Times) -> [u64; 9] {
    [
        times.start,
        times.access_start,
        times.access_end,
        times.balancer_start,
        times.balancer_end,
        times.header_filter_start,
        times.body_filter_start,
        times.response_end,
        times.router_start,
    ]
}
