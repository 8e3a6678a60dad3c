//! JSON text → [`Value`], as cjson reads it.
//!
//! *Kong parity*: every number is a double; the last of several equal keys wins; nesting is bounded by
//! cjson's thousand levels there and by [`super::yaml::MAX_DEPTH`] here.

use serde_json::Value;

use super::yaml::MAX_DEPTH;

/// Reads a JSON document.
///
/// # Errors
/// What is wrong, with the character it is at, counted from 1.
pub fn load(text: &str) -> Result<Value, String> {
    if is_too_deep(text) {
        return Err(format!("Found too many nested data structures ({})", MAX_DEPTH + 1));
    }
    serde_json::from_str(text).map_err(|error| {
        let line_start: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let character = (line_start + error.column()).max(1);
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "Expected value but found T_END".to_owned(),
            _ => "Expected value but found invalid token".to_owned(),
        };
        format!("{problem} at character {character}")
    })
}

/// Whether brackets outside of strings are nested deeper than allowed; serde_json would stop earlier.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(load("{\"a\": 1, \"b\": 2, \"a\": 3}").unwrap(), json!({"a": 3, "b": 2}));
    }

    #[test]
    fn errors_count_characters() {
        assert_eq!(
            load("{\n \"a\": x}").unwrap_err(),
            "Expected value but found invalid token at character 9"
        );
        assert!(load(&"[".repeat(2000)).unwrap_err().starts_with("Found too many nested data structures"));
    }
}
