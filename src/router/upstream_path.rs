//! The path that goes upstream: service path and request path, joined.

use std::borrow::Cow;

use super::expression::PathPart;
use super::spec::PathHandling;

/// What a route and its service say about the path that goes upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPath {
    /// The path of the service; `/` when it has none.
    pub base: Box<str>,
    /// Whether the matched part of the request path is cut off.
    pub strip: bool,
    /// How the two are joined.
    pub handling: PathHandling,
}

impl UpstreamPath {
    /// Appends the path that goes upstream for `path`, of which `matched` led to the route.
    ///
    /// The result is not escaped yet; see [`crate::http::uri::escape`].
    ///
    /// *Kong parity*: as many bytes are cut off as were matched, from the start, even when a regex
    /// matched further on. A dot segment that would then be first is dropped.
    pub fn write(&self, path: &[u8], matched: Option<PathPart>, out: &mut Vec<u8>) {
        let base = self.base.as_bytes();
        let prefix = matched.filter(|_| self.strip).map_or(1, |part| part.len);
        let postfix = without_dot_segment(path.get(prefix..).unwrap_or_default());
        match (self.handling, self.strip) {
            (PathHandling::V0, true) => join(base, postfix, path, out),
            (PathHandling::V0, false) => prepend(base, path, out),
            (PathHandling::V1, true) => {
                let doubled = base.ends_with(b"/") && postfix.starts_with(b"/");
                out.extend_from_slice(base);
                out.extend_from_slice(postfix.get(usize::from(doubled)..).unwrap_or_default());
            }
            (PathHandling::V1, false) => {
                out.extend_from_slice(base);
                out.extend_from_slice(path.get(1..).unwrap_or_default());
            }
        }
    }

    /// The matched part of the path, when it is cut off: what `X-Forwarded-Prefix` tells upstream.
    ///
    /// `None` when nothing is cut off, or only the root.
    pub fn forwarded_prefix<'p>(&self, path: &'p [u8], matched: Option<PathPart>) -> Option<Cow<'p, [u8]>> {
        let part = matched.filter(|part| self.strip && part.len > 0)?;
        let range = part.start..part.start + part.len;
        let prefix = if part.lowered {
            let lowered = std::str::from_utf8(path).ok()?.to_lowercase();
            Cow::Owned(lowered.as_bytes().get(range)?.to_vec())
        } else {
            Cow::Borrowed(path.get(range)?)
        };
        (*prefix != *b"/").then_some(prefix)
    }
}

/// Joins with exactly one slash; a trailing slash of the request decides when nothing is left.
fn join(base: &[u8], postfix: &[u8], path: &[u8], out: &mut Vec<u8>) {
    let stem = base.strip_suffix(b"/").unwrap_or(base);
    if !postfix.is_empty() {
        out.extend_from_slice(stem);
        if !postfix.starts_with(b"/") {
            out.push(b'/');
        }
        out.extend_from_slice(postfix);
        return;
    }
    let slash =
        base == b"/" || path.len() > 1 && path.ends_with(b"/") || base.ends_with(b"/") && path == b"/";
    out.extend_from_slice(stem);
    if slash {
        out.push(b'/');
    }
}

fn prepend(base: &[u8], path: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(base);
    if base.ends_with(b"/") {
        out.extend_from_slice(path.get(1..).unwrap_or_default());
    } else if path != b"/" {
        out.extend_from_slice(path);
    }
}

fn without_dot_segment(postfix: &[u8]) -> &[u8] {
    match postfix {
        b"." | b".." => b"",
        [b'.', b'/', rest @ ..] | [b'.', b'.', b'/', rest @ ..] => rest,
        _ => postfix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathHandling::{V0, V1};

    /// Joins `base` and `path` where a route with prefix `route` (or none) matched.
    fn joined(base: &str, route: Option<&str>, strip: bool, handling: PathHandling, path: &str) -> String {
        let matched = route.map(|route| PathPart { start: 0, len: route.len(), lowered: false });
        let mut out = Vec::new();
        UpstreamPath { base: base.into(), strip, handling }.write(path.as_bytes(), matched, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_combination_of_slashes_joins_as_documented() {
        // base, route, path, then: v0 kept, v0 stripped, v1 kept, v1 stripped
        let table = [
            ("/", "/", "/", ["/", "/", "/", "/"]),
            ("/", "/", "/a/b", ["/a/b", "/a/b", "/a/b", "/a/b"]),
            ("/", "/r", "/r", ["/r", "/", "/r", "/"]),
            ("/", "/r", "/r/", ["/r/", "/", "/r/", "/"]),
            ("/", "/r", "/rest", ["/rest", "/est", "/rest", "/est"]),
            ("/", "/r/", "/r/a", ["/r/a", "/a", "/r/a", "/a"]),
            ("/s", "/", "/", ["/s", "/s", "/s", "/s"]),
            ("/s", "/", "/a/", ["/s/a/", "/s/a/", "/sa/", "/sa/"]),
            ("/s", "/r", "/r", ["/s/r", "/s", "/sr", "/s"]),
            ("/s", "/r", "/r/", ["/s/r/", "/s/", "/sr/", "/s/"]),
            ("/s", "/r", "/rest", ["/s/rest", "/s/est", "/srest", "/sest"]),
            ("/s", "/r/", "/r/", ["/s/r/", "/s/", "/sr/", "/s"]),
            ("/s", "/r/", "/r/a", ["/s/r/a", "/s/a", "/sr/a", "/sa"]),
            ("/s/", "/", "/", ["/s/", "/s/", "/s/", "/s/"]),
            ("/s/", "/r", "/r", ["/s/r", "/s", "/s/r", "/s/"]),
            ("/s/", "/r", "/r/", ["/s/r/", "/s/", "/s/r/", "/s/"]),
            ("/s/", "/r", "/rest", ["/s/rest", "/s/est", "/s/rest", "/s/est"]),
            ("/s/", "/r/", "/r/", ["/s/r/", "/s/", "/s/r/", "/s/"]),
            ("/s/", "/r/", "/r/a", ["/s/r/a", "/s/a", "/s/r/a", "/s/a"]),
            ("/s", "/r", "/r./a", ["/s/r./a", "/s/a", "/sr./a", "/sa"]),
            ("/s", "/r", "/r../a", ["/s/r../a", "/s/a", "/sr../a", "/sa"]),
            ("/s/", "/r", "/r.", ["/s/r.", "/s", "/s/r.", "/s/"]),
        ];
        for (base, route, path, expected) in table {
            let got = [
                joined(base, Some(route), false, V0, path),
                joined(base, Some(route), true, V0, path),
                joined(base, Some(route), false, V1, path),
                joined(base, Some(route), true, V1, path),
            ];
            assert_eq!(got, expected, "{base} {route} {path}");
        }
    }

    #[test]
    fn a_route_without_path_passes_the_whole_path() {
        for strip in [false, true] {
            assert_eq!(joined("/s", None, strip, V0, "/"), "/s");
            assert_eq!(joined("/s", None, strip, V0, "/a/"), "/s/a/");
            assert_eq!(joined("/s", None, strip, V1, "/a/"), "/sa/");
            assert_eq!(joined("/s/", None, strip, V0, "/a"), "/s/a");
            assert_eq!(joined("/", None, strip, V1, "/a"), "/a");
        }
    }

    #[test]
    fn the_prefix_is_forwarded_when_more_than_the_root_was_stripped() {
        let prefix = |strip, len, lowered| {
            let path = UpstreamPath { base: "/".into(), strip, handling: V0 };
            let part = PathPart { start: 0, len, lowered };
            path.forwarded_prefix(b"/Ab/c", Some(part)).map(Cow::into_owned)
        };
        assert_eq!(prefix(true, 3, false).as_deref(), Some(&b"/Ab"[..]));
        assert_eq!(prefix(true, 3, true).as_deref(), Some(&b"/ab"[..]));
        assert_eq!(prefix(true, 1, false), None);
        assert_eq!(prefix(false, 3, false), None);
    }
}
