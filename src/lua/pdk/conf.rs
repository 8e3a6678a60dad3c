//! Reading kong.conf, for `kong.conf_loader`.

use super::values;
use crate::conf::{Conf, ConfError, Purpose, Sources};
use crate::entities::{Registry, RouterFlavor};
use crate::lua::Vm;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use serde_json::Value;
use std::ffi::c_int;
use std::path::Path;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "conf_load", load);
    frame.set_function(table, "set_router_flavor", set_router_flavor);
}

/// Replaces the schemas of the core entities by those for a router flavor, on which that of routes depends.
fn set_router_flavor(frame: &Frame) -> Answer {
    let flavor = RouterFlavor::from_name(&frame.text(1)?).unwrap_or_default();
    let schemas = Registry::core(flavor).map_err(|error| Flow::raise(error.to_string()))?;
    schemas.register(Vm::current()?.lua()).map_err(|error| Flow::raise(error.to_string()))?;
    Ok(0)
}

/// Arguments: a path or nil, a table of values above all others or nil, "start", "stop" or nil, whether the
/// path is that of a `.kong_env`. Answers all values, references as a table, warnings as a list; or nil, the
/// first problem, all problems.
fn load(frame: &Frame) -> Answer {
    let path = frame.optional_bytes(1)?.map(|path| String::from_utf8_lossy(path).into_owned());
    let purpose = match frame.optional_bytes(3)? {
        Some(b"start") => Purpose::Start,
        Some(b"stop") => Purpose::Stop,
        _ => Purpose::Inspect,
    };
    let path = path.as_deref().map(Path::new);
    let mut sources = match path {
        Some(path) if frame.truth(4) => Sources::kong_env(path),
        _ => Sources::new(path),
    };
    if frame.kind(2) == Kind::Table {
        sources = with_flags(frame, sources)?;
    }
    match Conf::load(&sources.purpose(purpose)) {
        Ok(conf) => push(frame, &conf),
        Err(error) => refuse(frame, &error),
    }
}

/// The values of the table at 2, as texts.
fn with_flags(frame: &Frame, mut sources: Sources) -> Result<Sources, Flow> {
    frame.push_nil();
    while frame.next(2) {
        let text = match frame.kind(-1) {
            Kind::Boolean => (if frame.truth(-1) { "on" } else { "off" }).to_owned(),
            Kind::Table => list(frame)?,
            Kind::String | Kind::Number => text_at(frame, -1),
            _ => String::new(),
        };
        let name = if frame.kind(-2) == Kind::String { text_at(frame, -2) } else { String::new() };
        sources = sources.flag(&name, Some(&text));
        frame.pop(1);
    }
    Ok(sources)
}

/// The list on top as kong.conf writes it.
fn list(frame: &Frame) -> Result<String, Flow> {
    let mut items = Vec::new();
    for index in 1..=frame.length(-1) {
        frame.push_index(-1, index);
        items.push(text_at(frame, -1));
        frame.pop(1);
    }
    Ok(items.join(","))
}

fn text_at(frame: &Frame, at: c_int) -> String {
    // Numbers are read from a copy: turning the key of a traversal into a string would end it.
    frame.push_value(at);
    let text = frame.text_at(-1).map(|text| String::from_utf8_lossy(text).into_owned());
    frame.pop(1);
    text.unwrap_or_default()
}

fn push(frame: &Frame, conf: &Conf) -> Answer {
    let all = conf.values().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    values::push(frame, &Value::Object(all))?;
    frame.push_table(0, 4);
    for (name, reference) in conf.references() {
        frame.push_text(reference);
        frame.set_field(-2, name);
    }
    values::push(frame, &Value::from(conf.warnings.clone()))?;
    Ok(3)
}

fn refuse(frame: &Frame, error: &ConfError) -> Answer {
    let messages = error.messages();
    frame.push_nil();
    frame.push_text(messages.first().map_or("", String::as_str));
    values::push(frame, &Value::from(messages.clone()))?;
    Ok(3)
}
