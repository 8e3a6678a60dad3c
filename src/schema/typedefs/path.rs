//! Paths of services and routes.

use serde_json::Value;

use super::address::{refuse, text};
use crate::http::uri::normalize;
use crate::schema::callback::Verdict;

/// Characters besides letters and digits that a path may hold (RFC 3986).
const ALLOWED: &[u8] = b".-_~/%:@!$&'()*+,;=";

/// `typedefs.path`.
pub fn path(value: &Value) -> Verdict {
    let path = text(value);
    if !has_allowed_characters(path) {
        return refuse(format!(
            "invalid path: '{path}' (characters outside of the reserved list of RFC 3986 found)"
        ));
    }
    check_encoding(path)
}

/// The paths of routes: plain and normalized, or a regular expression after `~`.
pub fn router_path(value: &Value) -> Verdict {
    let path = text(value);
    if has_allowed_characters(path) {
        check_encoding(path)?;
    }
    match path.strip_prefix('~') {
        None => {
            let bytes = crate::schema::text::to_bytes(path);
            let normalized = normalize(&bytes, true);
            if normalized == bytes {
                return Ok(());
            }
            let normalized = crate::schema::text::from_bytes(&normalized);
            refuse(format!("non-normalized path, consider use '{normalized}' instead"))
        }
        Some(pattern) => check_regex(pattern),
    }
}

fn has_allowed_characters(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte))
}

fn check_encoding(path: &str) -> Verdict {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let tail = rest.get(at..).unwrap_or_default();
        let shown = tail.get(..tail.len().min(3)).unwrap_or(tail);
        let digits = shown.get(1..).unwrap_or_default();
        if digits.len() != 2 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refuse(format!("invalid url-encoded value: '{shown}'"));
        }
        rest = tail.get(3..).unwrap_or_default();
    }
    Ok(())
}

fn check_regex(pattern: &str) -> Verdict {
    let Err(error) = pcre2::bytes::RegexBuilder::new().build(pattern) else {
        return Ok(());
    };
    let shown = error.to_string();
    let reason = shown.splitn(3, ": ").last().unwrap_or_default();
    let rest = error.offset().and_then(|at| pattern.get(at..)).filter(|rest| !rest.is_empty());
    let place = rest.map(|rest| format!(" at \"{rest}\"")).unwrap_or_default();
    refuse(format!(
        "invalid regex: '{pattern}' (PCRE returned: pcre2_compile() failed: {reason} in \"{pattern}\"{place})"
    ))
}
