//! `{vault://…}` references.

use super::settings;
use crate::conf::Reference;
use crate::lua::frame::{Answer, Frame};
use serde_json::Value;
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "is_reference", |frame| {
        frame.push_boolean(Reference::is_reference(&frame.text(1)?));
        Ok(1)
    });
    frame.set_function(table, "parse_reference", parse);
    frame.set_function(table, "resolve_reference", resolve);
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
    frame.push_table(0, reference.options.len());
    for (name, value) in &reference.options {
        frame.push_text(value);
        frame.set_field(-2, name);
    }
    frame.set_field(-2, "config");
    Ok(1)
}

/// The secret a reference stands for; nil and why not.
fn resolve(frame: &Frame) -> Answer {
    let text = frame.text(1)?.into_owned();
    let Some(vaults) = settings().and_then(|settings| settings.vaults.clone()) else {
        return frame.fail("no vault is available");
    };
    let found = match instance_of(&text) {
        Some((prefix, variables)) => {
            vaults.as_ref().clone().with_instance(&prefix, variables.as_deref()).look_up(&text)
        }
        None => vaults.look_up(&text),
    };
    match found {
        Ok(secret) => frame.push_text(&secret),
        Err(error) => return frame.fail(error.to_string()),
    }
    Ok(1)
}

/// The vault entity that a reference names by its prefix, with the prefix of its variables.
fn instance_of(reference: &str) -> Option<(String, Option<String>)> {
    let name = Reference::parse(reference).ok()?.vault;
    let dataset = super::entities::dataset()?;
    let vault = dataset.collection("vaults")?.select_by("prefix", &name)?;
    let variables = vault.get("config")?.get("prefix").and_then(Value::as_str);
    Some((name, variables.map(str::to_owned)))
}
