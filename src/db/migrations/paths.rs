//! The paths of routes, from Kong 2's form to that of Kong 3.

use std::borrow::Cow;

use crate::http::uri;

/// A route's path in the form of Kong 3.
///
/// *Kong parity*: what was read as a regular expression, because of a character outside letters, digits and
/// `.-_~/%`, gets the `~` that says so, and its escapes of unreserved characters are written out. Any other path is
/// brought to the form that requests are compared in.
pub fn migrate_path(path: &str) -> Cow<'_, str> {
    if path.starts_with('~') {
        // it is in that form
        return Cow::Borrowed(path);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
    if path.bytes().all(is_plain) {
        return match uri::normalize(path.as_bytes(), true) {
            Cow::Borrowed(_) => Cow::Borrowed(path),
            Cow::Owned(normal) => Cow::Owned(String::from_utf8_lossy(&normal).into_owned()),
        };
    }
    Cow::Owned(format!("~{}", written_out(path)))
}

/// A regular expression without escapes of bytes that mean nothing in a path; those that mean something in an
/// expression are escaped for it.
fn written_out(regex: &str) -> String {
    let mut out = Vec::with_capacity(regex.len());
    let mut rest = regex.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let Some(byte) = upper_triplet(rest) else {
            out.push(first);
            rest = after;
            continue;
        };
        let escape = rest.get(..3).unwrap_or_default();
        match byte {
            b'!' | b'#'..=b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'[' | b']' => {
                out.extend_from_slice(escape);
            }
            b'.' | b'^' | b'-' | b'{' | b'}' | b'\\' | b'|' => out.extend_from_slice(&[b'\\', byte]),
            other => out.push(other),
        }
        rest = rest.get(3..).unwrap_or_default();
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// *Kong parity*: only escapes in upper case count.
fn upper_triplet(bytes: &[u8]) -> Option<u8> {
    let [_, high, low, ..] = bytes else { return None };
    let is_upper = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    (is_upper(high) && is_upper(low)).then(|| uri::triplet(bytes)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_brought_to_normal_form() {
        for (old, new) in [("/", "/"), ("/a/b", "/a/b"), ("/a//b/../c", "/a/c"), ("/%61%2F", "/a%2F")] {
            assert_eq!(migrate_path(old), new, "{old}");
        }
    }

    #[test]
    fn regular_expressions_get_a_tilde_and_lose_needless_escapes() {
        for (old, new) in [
            ("/(a|b)", "~/(a|b)"),
            ("/\\d+%2E%61%24", "~/\\d+\\.a%24"),
            ("/\\d+%2e", "~/\\d+%2e"),
            ("/é", "~/é"),
            ("/a*%", "~/a*%"),
            ("~/(a)", "~/(a)"),
        ] {
            assert_eq!(migrate_path(old), new, "{old}");
        }
    }
}
