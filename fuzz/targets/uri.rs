//! The two decoded forms of a path, and its escaped one.
#![no_main]

use kong::http::{nginx_uri, query, uri};

libfuzzer_sys::fuzz_target!(|target: &[u8]| {
    let (path, arguments) = uri::split_query(target);
    if path.first() == Some(&b'/') {
        for merge_slashes in [false, true] {
            let normal = uri::normalize(path, merge_slashes);
            assert_eq!(normal.first(), Some(&b'/'), "absolute paths stay absolute");
            let mut segments = normal.split(|byte| *byte == b'/');
            assert!(!segments.any(|it| matches!(it, b"." | b"..")), "a dot segment is left");
            assert!(!merge_slashes || !normal.windows(2).any(|it| it == b"//"), "a doubled slash is left");
            let escaped = uri::escape(&normal);
            assert_eq!(uri::escape(&escaped), escaped, "what is escaped stays");
            assert!(!escaped.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f..)), "not a request target");
            if unambiguous(path) {
                assert_eq!(uri::normalize(&escaped, merge_slashes), normal, "upstream reads what we matched");
            }
        }
    }
    if let Ok(decoded) = nginx_uri::decode(path) {
        assert_eq!(decoded.first(), Some(&b'/'));
        let middle = decoded.get(1..).unwrap_or_default();
        let count = middle.split(|byte| *byte == b'/').count();
        for (at, segment) in middle.split(|byte| *byte == b'/').enumerate() {
            assert!(!matches!(segment, b"." | b".."), "a dot segment is left");
            assert!(at + 1 == count || !segment.is_empty(), "a doubled slash is left");
        }
    }
    for argument in query::Args::new(arguments.unwrap_or_default(), query::DEFAULT_MAX_ARGS) {
        let (name, value) = (argument.name, argument.value);
        let mut written = Vec::new();
        query::push_arg(&mut written, &name, value.as_deref());
        let again = query::Args::new(&written, 1).next();
        if let Some(again) = again {
            assert_eq!((again.name, again.value), (name, value), "an argument changes when written");
        }
    }
});

/// Whether every `%` starts a triplet: one that does not may become one when its neighbours are decoded.
fn unambiguous(path: &[u8]) -> bool {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        path.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}
