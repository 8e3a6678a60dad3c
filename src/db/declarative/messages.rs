//! Kong's words for what can be wrong with a document.

use serde_json::Value;

pub(super) const REQUIRED: &str = "required field missing";
pub(super) const UNKNOWN: &str = "unknown field";
pub(super) const ARRAY: &str = "expected an array";
pub(super) const RECORD: &str = "expected a record";
pub(super) const STRING: &str = "expected a string";
pub(super) const BOOLEAN: &str = "expected a boolean";
pub(super) const MUST_BE_NULL: &str = "value must be null";

/// An error unless something holds.
pub(super) fn expect(holds: bool, message: &str) -> Result<(), Value> {
    if holds { Ok(()) } else { Err(Value::from(message)) }
}

/// Two entities of a kind with the same value of a key.
pub(super) fn not_unique(kind: &str, key: &str, value: &str) -> String {
    format!("uniqueness violation: '{kind}' entity with {key} set to '{value}' already declared")
}

/// A reference that leads nowhere.
pub(super) fn invalid_reference(field: &str, value: &str, kind: &str) -> String {
    format!("invalid reference '{field}: {value}' (no such entry in '{kind}')")
}
