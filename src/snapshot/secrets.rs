//! Secrets that fields of entities refer to.

use std::borrow::Cow;

use serde_json::Value;

use crate::conf::{Reference, ReferenceError};
use crate::db::off::Dataset;
use crate::observability::log;
use crate::vaults::Vaults;

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
    let unknown = || ReferenceError::NoVault(parsed.vault.clone());
    let entities = dataset.and_then(|dataset| dataset.collection("vaults"));
    let entity =
        entities.and_then(|entities| entities.select_by("prefix", &parsed.vault)).ok_or_else(unknown)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(entity.get("name")).unwrap_or_default();
    let variables = text(entity.get("config").and_then(|config| config.get("prefix")));
    vaults.look_up_as(&parsed, &kind, &variables.unwrap_or_default())
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
