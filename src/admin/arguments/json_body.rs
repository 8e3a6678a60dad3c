//! JSON bodies.
//!
//! *Kong parity*: control characters may stand in texts as they are, so that a certificate with its line breaks can
//! be pasted into one; only NUL may not.

use serde_json::Value;

/// The value of a JSON text; `None` for a text that is none.
pub(super) fn read(text: &[u8]) -> Option<Value> {
    let strict = serde_json::from_slice(text).ok();
    strict.or_else(|| serde_json::from_slice(&with_escapes(text)?).ok())
}

/// The same text with escapes for the control characters within quotes; `None` where there are none of these.
fn with_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let mut escaped = Vec::with_capacity(text.len() + 64);
    let (mut is_quoted, mut is_after_backslash, mut found) = (false, false, false);
    for &byte in text {
        let is_control = is_quoted && !is_after_backslash && (1..0x20).contains(&byte);
        found |= is_control;
        if is_control {
            escaped.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            escaped.push(byte);
        }
        match byte {
            _ if is_after_backslash => is_after_backslash = false,
            b'\\' => is_after_backslash = is_quoted,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    found.then_some(escaped)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_breaks_may_stand_in_texts_and_nul_may_not() {
        assert_eq!(read(b"{\"cert\": \"a\nb\tc\"}"), Some(json!({"cert": "a\nb\tc"})));
        assert_eq!(read(b"{\"a\\\"\n\": \"\\\\\", \"b\":\n 1}"), Some(json!({"a\"\n": "\\", "b": 1})));
        assert_eq!(read(b"[\n1,\n2]"), Some(json!([1, 2])));
        for wrong in [&b"{\"a\": \"b\0c\"}"[..], b"{\"a\": \"b\\\nc\"}", b"{\"a\": \"b\n", b"{", b"", b"\x01"]
        {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
