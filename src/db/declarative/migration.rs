//! Documents of the formats 1.1 and 2.1 → format 3.0: paths of routes that are regular expressions get `~`.

use serde_json::{Map, Value};

use crate::http::uri;

/// Brings a document to format 3.0; one of another or of no known version is left alone.
pub fn migrate(table: &mut Map<String, Value>) {
    if !matches!(table.get("_format_version").and_then(Value::as_str), Some("1.1" | "2.1")) {
        return;
    }
    migrate_routes(table.get_mut("routes"));
    for service in table.get_mut("services").and_then(Value::as_array_mut).into_iter().flatten() {
        migrate_routes(service.get_mut("routes"));
    }
    table.insert("_format_version".to_owned(), Value::from("3.0"));
}

fn migrate_routes(routes: Option<&mut Value>) {
    for route in routes.and_then(Value::as_array_mut).into_iter().flatten() {
        for path in route.get_mut("paths").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::String(text) = path {
                *text = migrate_path(text);
            }
        }
    }
}

/// A plain path in its normal form, or a regular expression behind `~` with what needs no escape decoded.
fn migrate_path(path: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'/' | b'%');
    if path.bytes().all(is_plain) {
        return String::from_utf8_lossy(&uri::normalize(path.as_bytes(), true)).into_owned();
    }
    format!("~{}", decode_regex(path))
}

/// Decodes triplets, escaping what would be a metacharacter and leaving reserved characters encoded.
fn decode_regex(regex: &str) -> String {
    let mut decoded = Vec::with_capacity(regex.len());
    let mut rest = regex.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: &u8| char::from(*digit).to_digit(16);
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(upper), Some(lower)) = (hex(high), hex(low))
        {
            push_decoded(&mut decoded, (upper * 16 + lower) as u8);
            rest = after;
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn push_decoded(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'!' | b'#'..=b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'[' | b']' => {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
        b'.' | b'^' | b'-' | b'{' | b'}' | b'\\' | b'|' => out.extend_from_slice(&[b'\\', byte]),
        _ => out.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn regular_expressions_are_marked_and_plain_paths_normalised() {
        assert_eq!(migrate_path("/a/../b%41"), "/bA");
        assert_eq!(migrate_path("/a-b_c.d~e"), "/a-b_c.d~e");
        assert_eq!(migrate_path("/status/\\d+"), "~/status/\\d+");
        assert_eq!(migrate_path("/(x)%2e%2F%41"), "~/(x)\\.%2FA");
    }

    #[test]
    fn only_the_older_formats_change() {
        for (version, expected) in [("1.1", "~/x$"), ("2.1", "~/x$"), ("3.0", "/x$")] {
            let mut document = json!({
                "_format_version": version,
                "routes": [{"paths": ["/x$"]}],
                "services": [{"routes": [{"paths": ["/x$"]}]}],
            });
            migrate(document.as_object_mut().unwrap());
            assert_eq!(document["routes"][0]["paths"][0], expected);
            assert_eq!(document["services"][0]["routes"][0]["paths"][0], expected);
            assert_eq!(document["_format_version"], "3.0");
        }
    }
}
