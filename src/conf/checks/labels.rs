//! Labels of data planes, `key:value`.

use std::sync::LazyLock;

use regex::Regex;

const MAX_LABELS: usize = 10;
const MAX_LENGTH: usize = 63;
/// As Kong prints them.
const VALUE_PATTERN: &str = r"[a-z0-9]([\w\.:-]*[a-z0-9]|)$";
const KEY_PATTERN: &str = r"(?!kong)(?!konnect)(?!insomnia)(?!mesh)(?!kic)[a-z0-9]([\w\.:-]*[a-z0-9]|)$";
const RESERVED: [&str; 5] = ["kong", "konnect", "insomnia", "mesh", "kic"];

#[allow(clippy::unwrap_used)] // a constant pattern, exercised by the tests
static SHAPE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)^[a-z0-9](?:[\w.:-]*[a-z0-9])?$").unwrap());

/// Checks a list of labels.
///
/// *Errors*: what is wrong with the first bad one.
pub fn check(labels: &[String]) -> Result<(), String> {
    if labels.len() > MAX_LABELS {
        return Err(format!("labels validation failed: count exceeded {MAX_LABELS} max elements"));
    }
    for label in labels {
        let (key, value) = label.split_once(':').unwrap_or_default();
        check_part(key, KEY_PATTERN, &RESERVED)
            .map_err(|error| format!("label key validation failed: {error}"))?;
        check_part(value, VALUE_PATTERN, &[])
            .map_err(|error| format!("label value validation failed: {error}"))?;
    }
    Ok(())
}

fn check_part(part: &str, pattern: &str, reserved: &[&str]) -> Result<(), String> {
    if part.is_empty() || part.len() > MAX_LENGTH {
        return Err(format!("{part} must have between 1 and {MAX_LENGTH} characters"));
    }
    let lower = part.to_ascii_lowercase();
    if !SHAPE.is_match(part) || reserved.iter().any(|word| lower.starts_with(word)) {
        return Err(format!("{part} is invalid. Must match pattern: {pattern}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(labels: &str) -> Result<(), String> {
        check(&labels.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn good_labels_pass() {
        for labels in [
            "zone:north,tier:1",
            "a_b-c.d:e..f-1_2",
            "MiXeD.Case:OK",
            "my_kong:is-not-at-the-start",
            "gateway:kong",
            &format!("{}:{}", "k".repeat(63), "v".repeat(63)),
        ] {
            assert_eq!(checked(labels), Ok(()), "{labels}");
        }
    }

    #[test]
    fn bad_labels_are_answered_with_the_reason() {
        let long = "x".repeat(64);
        for (labels, reason) in [
            (
                "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1",
                "labels validation failed: count exceeded 10 max elements",
            ),
            ("_a:b", "label key validation failed: _a is invalid. Must match pattern: (?!kong)"),
            ("a-:b", "label key validation failed: a- is invalid."),
            ("Kong-id:1", "label key validation failed: Kong-id is invalid."),
            ("a:.b", "label value validation failed: .b is invalid. Must match pattern: [a-z0-9]("),
            ("a:", "label value validation failed:  must have between 1 and 63 characters"),
            ("key", "label key validation failed:  must have between 1 and 63 characters"),
            (&format!("{long}:v"), "label key validation failed: xxx"),
        ] {
            assert!(checked(labels).unwrap_err().starts_with(reason), "{labels}");
        }
    }
}
