//! `{vault://…}` references.

use super::settings;
use crate::conf::Reference;
use crate::lua::frame::{Answer, Frame};
use crate::observability::log;
use crate::snapshot::{keep_secret, secret};
use serde_json::{Map, Value};
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "is_reference", |frame| {
        frame.push_boolean(Reference::is_reference(&frame.text(1)?));
        Ok(1)
    });
    frame.set_function(table, "parse_reference", parse);
    frame.set_function(table, "resolve_reference", resolve);
    frame.set_function(table, "keep_secret", |frame| {
        let reference = frame.text(1)?;
        let secret = frame.optional_bytes(2)?.map(String::from_utf8_lossy);
        if let Some(vaults) = settings().and_then(|settings| settings.vaults.clone()) {
            let dataset = super::entities::dataset();
            keep_secret(&vaults, dataset.as_deref(), &reference, secret.as_deref());
        }
        Ok(0)
    });
}

/// The parts of a reference as a table; nil and why not.
fn parse(frame: &Frame) -> Answer {
    let reference = match Reference::parse(&frame.text(1)?) {
        Ok(reference) => reference,
        Err(error) => return frame.fail(error.to_string()),
    };
    frame.push_table(0, 5);
    for (field, text) in [("name", &reference.vault), ("resource", &reference.resource)] {
        frame.push_text(text);
        frame.set_field(-2, field);
    }
    if let Some(key) = &reference.key {
        frame.push_text(key);
        frame.set_field(-2, "key");
    }
    if let Some(version) = reference.version {
        frame.push_number(version as f64);
        frame.set_field(-2, "version");
    }
    if !reference.options.is_empty() {
        frame.push_table(0, reference.options.len());
        for (name, value) in &reference.options {
            frame.push_text(value);
            frame.set_field(-2, name);
        }
        frame.set_field(-2, "config");
    }
    Ok(1)
}

/// The secret a reference stands for; nil and why not.
fn resolve(frame: &Frame) -> Answer {
    match look_up(&frame.text(1)?) {
        Ok(secret) => frame.push_text(&secret),
        Err(why) => return frame.fail(why),
    }
    Ok(1)
}

fn look_up(reference: &str) -> Result<String, String> {
    let vaults = settings().and_then(|settings| settings.vaults.clone());
    let vaults = vaults.ok_or_else(|| "no vault is available".to_owned())?;
    let dataset = super::entities::dataset();
    secret(&vaults, dataset.as_deref(), reference).map_err(|error| error.to_string())
}

/// A configuration with secrets in place of the references in it; these stand in the field `$refs` of
/// the table they were found in, so that `kong.vault.update` finds them.
///
/// *Kong parity*: a reference without a value becomes an empty text, and the log says why.
pub fn resolved(configuration: &Value) -> Value {
    match configuration {
        Value::Object(object) => Value::Object(resolved_object(object)),
        Value::Array(items) => Value::Array(items.iter().map(resolved).collect()),
        Value::String(text) if Reference::is_reference(text) => Value::String(secret_of(text)),
        other => other.clone(),
    }
}

fn resolved_object(object: &Map<String, Value>) -> Map<String, Value> {
    let mut references = Map::new();
    let mut filled = Map::with_capacity(object.len());
    for (name, value) in object {
        if is_made_of_references(value) {
            references.insert(name.clone(), value.clone());
        }
        filled.insert(name.clone(), resolved(value));
    }
    if !references.is_empty() {
        filled.insert("$refs".to_owned(), Value::Object(references));
    }
    filled
}

fn is_made_of_references(value: &Value) -> bool {
    match value {
        Value::String(text) => Reference::is_reference(text),
        Value::Array(items) => !items.is_empty() && items.iter().all(is_made_of_references),
        _ => false,
    }
}

fn secret_of(reference: &str) -> String {
    look_up(reference).unwrap_or_else(|why| {
        log::warn!("unable to resolve reference {reference} ({why})");
        String::new()
    })
}
