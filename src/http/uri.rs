//! Request paths: the normal form that routes are matched against, and the escaped form that
//! goes upstream.
//!
//! Three sets of bytes decide everything. *Reserved* bytes (RFC 3986 section 2.2, and `%`) mean
//! something where they stand, so they are neither decoded nor encoded. *Unreserved* bytes are
//! decoded on the way in and stay plain on the way out. All *other* bytes are decoded on the way
//! in, so that a path written in UTF-8 and its percent-encoded form match the same route, and are
//! encoded again on the way out.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// Brings a path to the form that routes are matched against.
///
/// Decodes every percent-encoded byte that is not reserved, writes the remaining triplets in upper
/// case, resolves `.` and `..` segments, and with `merge_slashes` folds `//` into `/`.
///
/// *Kong parity*: a `%` that starts no triplet stays as it is; `..` above the root is dropped;
/// encoded dots count as dots, encoded slashes do not count as slashes.
///
/// *Cost*: borrows when the path is normal already, as nearly every path is.
pub fn normalize(path: &[u8], merge_slashes: bool) -> Cow<'_, [u8]> {
    let decoded = decode_unreserved(path);
    let has_doubled_slash = merge_slashes && memmem::find(&decoded, b"//").is_some();
    if has_doubled_slash || has_dot_segment(&decoded) {
        return Cow::Owned(resolve_segments(&decoded, merge_slashes));
    }
    decoded
}

/// Encodes the bytes that may not stand in a request target or a field value.
///
/// Reserved bytes and `%` pass, so a path that [`normalize`] produced keeps its meaning.
pub fn escape(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = path.iter().position(|&byte| !passes_upstream(byte)) else {
        return Cow::Borrowed(path);
    };
    let (clean, rest) = path.split_at(first);
    let mut escaped = Vec::with_capacity(path.len() + 16);
    escaped.extend_from_slice(clean);
    for &byte in rest {
        if passes_upstream(byte) {
            escaped.push(byte);
        } else {
            push_triplet(&mut escaped, byte);
        }
    }
    Cow::Owned(escaped)
}

/// Splits a request target into its path and its query (without the `?`).
///
/// *Kong parity*: a `?` in first position belongs to the path.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b'?', target.get(1..).unwrap_or_default()) {
        Some(at) => {
            let (path, query) = target.split_at(at + 1);
            (path, query.get(1..))
        }
        None => (target, None),
    }
}

/// Appends `byte` percent-encoded in upper case.
pub(crate) fn push_triplet(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    for nibble in [byte >> 4, byte & 0xf] {
        out.push(match nibble {
            0..=9 => b'0' + nibble,
            _ => b'A' + nibble - 10,
        });
    }
}

/// The byte that the triplet at the start of `bytes` stands for, when there is one.
pub(crate) fn triplet(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    Some(nibble(*high)? << 4 | nibble(*low)?)
}

fn decode_unreserved(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'%', path) else {
        return Cow::Borrowed(path);
    };
    let (clean, mut rest) = path.split_at(first);
    let mut decoded = Vec::with_capacity(path.len());
    decoded.extend_from_slice(clean);
    while let Some((&byte, tail)) = rest.split_first() {
        let Some(value) = triplet(rest) else {
            decoded.push(byte);
            rest = tail;
            continue;
        };
        if is_reserved(value) {
            push_triplet(&mut decoded, value);
        } else {
            decoded.push(value);
        }
        rest = rest.get(3..).unwrap_or_default();
    }
    if decoded == path {
        return Cow::Borrowed(path);
    }
    Cow::Owned(decoded)
}

fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b".."))
}

/// Copies the path segment by segment; each kept piece is a segment with the slash before it.
fn resolve_segments(path: &[u8], merge_slashes: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    loop {
        rest = match rest {
            [] => return out,
            b"/." => b"/",
            b"/.." => {
                drop_last_piece(&mut out);
                b"/"
            }
            b"." | b".." => return out,
            [b'.', b'.', b'/', tail @ ..] | [b'.', b'/', tail @ ..] => tail,
            [b'/', b'.', b'/', ..] => rest.get(2..).unwrap_or_default(),
            [b'/', b'.', b'.', b'/', ..] => {
                drop_last_piece(&mut out);
                rest.get(3..).unwrap_or_default()
            }
            [b'/', b'/', ..] if merge_slashes => rest.get(1..).unwrap_or_default(),
            [_, tail @ ..] => {
                let end = memchr(b'/', tail).map_or(rest.len(), |at| at + 1);
                let (piece, tail) = rest.split_at(end);
                out.extend_from_slice(piece);
                tail
            }
        };
    }
}

fn drop_last_piece(out: &mut Vec<u8>) {
    out.truncate(memchr::memrchr(b'/', out).unwrap_or(0));
}

/// RFC 3986 gen-delims and sub-delims, and `%`.
fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'*'
            | b'\''
            | b'('
            | b')'
            | b';'
            | b':'
            | b'@'
            | b'&'
            | b'='
            | b'+'
            | b'$'
            | b','
            | b'/'
            | b'?'
            | b'%'
            | b'#'
            | b'['
            | b']'
    )
}

fn passes_upstream(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || is_reserved(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> String {
        String::from_utf8_lossy(&normalize(path.as_bytes(), true)).into_owned()
    }

    #[test]
    fn paths_take_their_normal_form() {
        for (path, expected) in [
            ("", ""),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Bb%25", "/a%2Bb%25"),
            ("/%41%7e", "/A~"),
            ("/%", "/%"),
            ("/%g1%4", "/%g1%4"),
            ("/a//b///c", "/a/b/c"),
            ("//", "/"),
            ("../a", "a"),
            ("./a", "a"),
            ("..", ""),
            ("a/../b", "/b"),
            ("/a./b../..c", "/a./b../..c"),
            ("/%e4%bd%a0", "/你"),
        ] {
            assert_eq!(normal(path), expected, "of {path}");
        }
    }

    #[test]
    fn slashes_stay_when_they_are_not_merged() {
        assert_eq!(&*normalize(b"/a//b/../c", false), b"/a//c");
        assert_eq!(&*normalize(b"//..", false), b"/");
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        assert!(matches!(normalize(b"/a.b/c-d%2F", true), Cow::Borrowed(_)));
        assert!(matches!(escape(b"/a.b/c-d%2F?[x]"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_unsafe_bytes_are_escaped() {
        assert_eq!(&*escape("/a b/ö%20\"<|".as_bytes()), b"/a%20b/%C3%B6%20%22%3C%7C");
    }

    #[test]
    fn the_query_starts_at_the_first_question_mark_after_the_first_byte() {
        assert_eq!(split_query(b"/a?b?c"), (&b"/a"[..], Some(&b"b?c"[..])));
        assert_eq!(split_query(b"/a?"), (&b"/a"[..], Some(&b""[..])));
        assert_eq!(split_query(b"?a"), (&b"?a"[..], None));
        assert_eq!(split_query(b""), (&b""[..], None));
    }

    /// Paths in which each `%` starts a triplet: a stray one can become a triplet by decoding.
    fn well_formed_path() -> impl Strategy<Value = String> {
        proptest::collection::vec("/|[a-z.]{1,3}|%2[ef]|%[0-9A-Fa-f]{2}|\\.\\.?/| ", 0..12)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own_normal_form(path in well_formed_path()) {
            let once = normalize(path.as_bytes(), true).into_owned();
            prop_assert_eq!(normalize(&once, true).into_owned(), once);
        }

        #[test]
        fn an_escaped_path_is_its_own_escaped_form(path: Vec<u8>) {
            let once = escape(&path).into_owned();
            prop_assert_eq!(escape(&once).into_owned(), once);
        }

        #[test]
        fn escaping_does_not_change_the_normal_form(path in well_formed_path()) {
            let once = normalize(path.as_bytes(), true).into_owned();
            prop_assert_eq!(normalize(&escape(&once), true).into_owned(), once);
        }

        #[test]
        fn an_absolute_path_stays_absolute_and_keeps_no_dot_segment(path: Vec<u8>) {
            let path = [b"/", &path[..]].concat();
            let normal = normalize(&path, true);
            prop_assert_eq!(normal.first(), Some(&b'/'));
            prop_assert!(!has_dot_segment(&normal));
        }
    }
}
