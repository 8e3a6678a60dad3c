//! Names of entities, tags, headers and cookies.

use serde_json::Value;

use super::address::{refuse, text};
use crate::schema::callback::Verdict;
use crate::schema::text::invalid_utf8;

/// Characters that a cookie's name may not hold (RFC 2616, separators).
const SEPARATORS: &[u8] = b" \t()<>@,;:\\\"/?={}[]";

/// `typedefs.name`.
pub fn name(value: &Value) -> Verdict {
    let name = text(value);
    if !name.is_empty() && name.bytes().all(is_name_byte) {
        return Ok(());
    }
    refuse(format!("invalid value '{name}': it must only contain alphanumeric and '., -, _, ~' characters"))
}

/// `typedefs.utf8_name`.
pub fn utf8_name(value: &Value) -> Verdict {
    let name = text(value);
    check_utf8(name)?;
    if !name.is_empty() && name.bytes().all(|byte| is_name_byte(byte) || is_beyond_ascii(byte)) {
        return Ok(());
    }
    refuse(format!(
        "invalid value '{name}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"
    ))
}

/// `typedefs.tag`.
pub fn tag(value: &Value) -> Verdict {
    let tag = text(value);
    check_utf8(tag)?;
    let is_allowed =
        |byte: u8| (matches!(byte, b' '..=b'~') && byte != b',' && byte != b'/') || is_beyond_ascii(byte);
    if !tag.is_empty() && tag.bytes().all(is_allowed) {
        return Ok(());
    }
    refuse(format!(
        "invalid tag '{tag}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
    ))
}

/// `typedefs.header_name`.
pub fn header_name(value: &Value) -> Verdict {
    let name = text(value);
    if name.is_empty() {
        return refuse("no header name provided");
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Ok(());
    }
    refuse(format!("bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"))
}

/// `typedefs.cookie_name`.
pub fn cookie_name(value: &Value) -> Verdict {
    let name = text(value);
    if name.is_empty() {
        return refuse("no token provided");
    }
    if name.bytes().all(|byte| byte.is_ascii_graphic() && !SEPARATORS.contains(&byte)) {
        return Ok(());
    }
    refuse(
        "contains one or more invalid characters. ASCII control characters (0-31;127), space, tab and the \
         characters ()<>@,;:\\\"/?={}[] are not allowed.",
    )
}

fn check_utf8(name: &str) -> Verdict {
    match invalid_utf8(name) {
        None => Ok(()),
        Some(place) => refuse(format!("invalid utf-8 character sequence detected at position {place}")),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~')
}

fn is_beyond_ascii(byte: u8) -> bool {
    (128..=244).contains(&byte)
}
