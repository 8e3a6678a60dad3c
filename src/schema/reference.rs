//! Vault references: `{vault://name/secret/key}` in the place of a value.

use serde_json::Value;

/// Whether a value is written as a vault reference.
pub fn is_reference(value: &Value) -> bool {
    value.as_str().is_some_and(is_reference_text)
}

/// Whether a text is written as a vault reference.
pub fn is_reference_text(text: &str) -> bool {
    text.starts_with("{vault://") && text.ends_with('}')
}
