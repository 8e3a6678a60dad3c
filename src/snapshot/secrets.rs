//! Secrets that fields of entities refer to.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::conf::{Reference, ReferenceError};
use crate::db::Entity;
use crate::db::off::Dataset;
use crate::observability::log;
use crate::vaults::Vaults;
use crate::vaults::kept::{self, Kept};

/// The value that a reference stands for: in a vault of the process, or in that of the `vaults` entity whose prefix
/// the reference names.
///
/// # Errors
/// It is no reference, names no known vault, or has no value; in Kong's wording.
pub fn secret(vaults: &Vaults, dataset: Option<&Dataset>, reference: &str) -> Result<String, ReferenceError> {
    let parsed = Reference::parse(reference)?;
    if vaults.knows(&parsed.vault) {
        return vaults.look_up(reference);
    }
    if let Some(configuration) = scripted(vaults, dataset, &parsed) {
        return vaults.kept(reference, &configuration);
    }
    let unknown = || ReferenceError::NoVault(parsed.vault.clone());
    let entity = entity(dataset, &parsed.vault).ok_or_else(unknown)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(entity.get("name")).unwrap_or_default();
    let variables = text(entity.get("config").and_then(|config| config.get("prefix")));
    vaults.look_up_as(&parsed, &kind, &variables.unwrap_or_default())
}

/// Keeps what a vault written in Lua says of a reference; nothing for other references.
pub fn keep_secret(vaults: &Vaults, dataset: Option<&Dataset>, reference: &str, secret: Option<&str>) {
    let Ok(parsed) = Reference::parse(reference) else { return };
    if let Some(configuration) = scripted(vaults, dataset, &parsed) {
        kept::keep(reference, &configuration, secret);
    }
}

/// The references in a value whose vaults are written in Lua and were not asked yet.
pub fn unknown_secrets(vaults: &Vaults, dataset: Option<&Dataset>, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object.values().for_each(|value| unknown_secrets(vaults, dataset, value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| unknown_secrets(vaults, dataset, value, into)),
        Value::String(text) if Reference::is_reference(text) && !into.contains(text) => {
            let parsed = Reference::parse(text).ok();
            let configuration = parsed.and_then(|parsed| scripted(vaults, dataset, &parsed));
            if configuration.is_some_and(|of| kept::find(text, &of) == Kept::Unknown) {
                into.push(text.clone());
            }
        }
        _ => {}
    }
}

/// The configuration of the vault a reference names, where that is written in Lua: the entity's as JSON, empty for a
/// vault that is named directly.
fn scripted(vaults: &Vaults, dataset: Option<&Dataset>, reference: &Reference) -> Option<String> {
    if !vaults.has_scripted() {
        return None;
    }
    if vaults.is_scripted(&reference.vault) {
        return Some(String::new());
    }
    let entity = entity(dataset, &reference.vault)?;
    let kind = entity.get("name").and_then(Value::as_str)?;
    vaults.is_scripted(kind).then(|| Value::Object((*entity).clone()).to_string())
}

fn entity(dataset: Option<&Dataset>, prefix: &str) -> Option<Arc<Entity>> {
    dataset?.collection("vaults")?.select_by("prefix", prefix)
}

/// A field's value: the text itself, or the secret it refers to.
///
/// *Kong parity*: a reference without a value becomes an empty text, and the log says why.
pub fn revealed<'a>(vaults: &Vaults, dataset: Option<&Dataset>, text: &'a str) -> Cow<'a, str> {
    if !Reference::is_reference(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(secret(vaults, dataset, text).unwrap_or_else(|why| {
        log::warn!("unable to resolve reference {text} ({why})");
        String::new()
    }))
}
