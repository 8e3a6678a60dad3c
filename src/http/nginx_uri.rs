//! `$uri`: the fully decoded path that variables, log formats and static locations see.
//!
//! This form decodes reserved bytes too, so it is never sent upstream. Paths that cannot be brought
//! to it are refused with status 400 before any routing happens.

use std::borrow::Cow;

use super::uri::triplet;

/// A path that has no decoded form: the request is answered with status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is empty or does not start with a slash.
    #[error("path is not absolute")]
    NotAbsolute,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("invalid percent-encoding")]
    BadEncoding,
    /// The path holds a NUL byte, plain or encoded.
    #[error("NUL byte in path")]
    Nul,
    /// A `..` segment leads above the root.
    #[error("path leads above the root")]
    AboveRoot,
}

/// Decodes an absolute path as nginx does for `$uri`.
///
/// All triplets are decoded (encoded slashes and dots then count), slashes are merged, dot segments
/// resolved, and a fragment is cut off.
///
/// *Errors*: where nginx answers 400 by itself.
/// *Cost*: borrows when nothing changes.
pub fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    if path.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match first {
            b'#' => break,
            b'%' => (triplet(rest).ok_or(PathError::BadEncoding)?, rest.get(3..).unwrap_or_default()),
            _ => (first, tail),
        };
        rest = tail;
        match byte {
            0 => return Err(PathError::Nul),
            b'/' => push_slash(&mut out)?,
            _ => out.push(byte),
        }
    }
    if ends_in_dot_segment(&out) {
        push_slash(&mut out)?;
    }
    Ok(Cow::Owned(out))
}

fn is_plain(path: &[u8]) -> bool {
    let special = path.iter().any(|byte| matches!(byte, b'%' | b'#' | 0));
    !special && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// Ends the last segment of `out` with a slash, resolving it when it is empty, `.` or `..`.
fn push_slash(out: &mut Vec<u8>) -> Result<(), PathError> {
    if out.ends_with(b"/..") {
        out.truncate(out.len() - 3);
        let parent = memchr::memrchr(b'/', out).ok_or(PathError::AboveRoot)?;
        out.truncate(parent + 1);
    } else if out.ends_with(b"/.") {
        out.pop();
    } else if !out.ends_with(b"/") {
        out.push(b'/');
    }
    Ok(())
}

fn ends_in_dot_segment(out: &[u8]) -> bool {
    out.ends_with(b"/.") || out.ends_with(b"/..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_triplet_is_decoded_and_segments_are_resolved() {
        for (path, expected) in [
            ("/a/b.c", "/a/b.c"),
            ("/a%2Fb%20c", "/a/b c"),
            ("/a//b/./c/../d", "/a/b/d"),
            ("/a%2F%2e%2e%2fb", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a#b", "/a"),
            ("/a%23b%3F", "/a#b?"),
        ] {
            assert_eq!(decode(path.as_bytes()).as_deref(), Ok(expected.as_bytes()), "of {path}");
        }
    }

    #[test]
    fn paths_without_a_decoded_form_are_refused() {
        for (path, error) in [
            ("", PathError::NotAbsolute),
            ("a", PathError::NotAbsolute),
            ("/%", PathError::BadEncoding),
            ("/%4", PathError::BadEncoding),
            ("/%zz", PathError::BadEncoding),
            ("/a%00", PathError::Nul),
            ("/..", PathError::AboveRoot),
            ("/a/../../b", PathError::AboveRoot),
        ] {
            assert_eq!(decode(path.as_bytes()), Err(error), "of {path}");
        }
    }

    proptest! {
        #[test]
        fn a_decoded_path_is_absolute_and_has_no_empty_or_dot_segment(tail: Vec<u8>) {
            let path = [b"/", &tail[..]].concat();
            if let Ok(decoded) = decode(&path) {
                prop_assert_eq!(decoded.first(), Some(&b'/'));
                let pieces: Vec<_> = decoded[1..].split(|&byte| byte == b'/').collect();
                for (at, piece) in pieces.iter().enumerate() {
                    let last = at + 1 == pieces.len();
                    prop_assert!((last || !piece.is_empty()) && *piece != b"." && *piece != b"..");
                }
            }
        }
    }
}
