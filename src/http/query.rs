//! Query strings and urlencoded bodies as lists of arguments.
//!
//! The reading is that of `ngx.decode_args`, the writing that of `ngx.encode_args`: `+` is a space,
//! an argument without `=` is `true`, an argument with an empty name is dropped.

use std::borrow::Cow;

use super::uri::{push_triplet, triplet};

/// How many arguments are read when nobody says otherwise.
pub const DEFAULT_MAX_ARGS: usize = 100;

/// One decoded argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg<'a> {
    /// Never empty.
    pub name: Cow<'a, [u8]>,
    /// `None` for an argument without `=`, which Lua sees as `true`.
    pub value: Option<Cow<'a, [u8]>>,
}

/// Reads the arguments of a query string one by one.
///
/// *Cost*: allocates only for names and values that hold `+` or a percent-encoded byte.
#[derive(Debug, Clone)]
pub struct Args<'a> {
    rest: Option<&'a [u8]>,
    left: usize,
    truncated: bool,
}

impl<'a> Args<'a> {
    /// Reads at most `max` arguments of `query`; 0 reads them all.
    ///
    /// *Kong parity*: dropped arguments count towards the limit.
    pub fn new(query: &'a [u8], max: usize) -> Self {
        Self { rest: Some(query), left: if max == 0 { usize::MAX } else { max }, truncated: false }
    }

    /// Whether the limit cut arguments off; known once the iteration has ended.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

impl<'a> Args<'a> {
    /// The next argument as it stands in the query: its name, and its value where it has a `=`.
    pub fn next_raw(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        loop {
            let rest = self.rest?;
            if rest.is_empty() {
                return None;
            }
            if self.left == 0 {
                self.truncated = true;
                return None;
            }
            self.left -= 1;
            let pair = match memchr::memchr(b'&', rest) {
                Some(at) => {
                    self.rest = rest.get(at + 1..);
                    rest.get(..at).unwrap_or_default()
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..)),
                None => (pair, None),
            };
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = Arg<'a>;

    fn next(&mut self) -> Option<Arg<'a>> {
        let (name, value) = self.next_raw()?;
        Some(Arg { name: unescape(name), value: value.map(unescape) })
    }
}

/// Appends `name=value`, or `name` alone for a `true` value, with `&` before it when `out` already
/// holds an argument.
pub fn push_arg(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    if !out.is_empty() {
        out.push(b'&');
    }
    escape_component(out, name);
    if let Some(value) = value {
        out.push(b'=');
        escape_component(out, value);
    }
}

/// Decodes `+` and percent-encoded bytes; a `%` that starts no triplet stays.
pub fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr2(b'%', b'+', text) else {
        return Cow::Borrowed(text);
    };
    let (clean, mut rest) = text.split_at(first);
    let mut plain = Vec::with_capacity(text.len());
    plain.extend_from_slice(clean);
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, triplet(rest)) {
            (b'%', Some(value)) => {
                plain.push(value);
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            (b'+', _) => plain.push(b' '),
            _ => plain.push(byte),
        }
        rest = tail;
    }
    Cow::Owned(plain)
}

/// Appends `text` with every byte encoded that has a meaning in a query string.
pub fn escape_component(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'\'' | b'(' | b')' | b'*');
        if plain {
            out.push(byte);
        } else {
            push_triplet(out, byte);
        }
    }
}

/// Appends `query` without the arguments called `name`, written anew: `name=value` for each argument.
///
/// *Kong parity*: `kong.service.request.clear_query_arg` reads and writes as the URL standard says of
/// `application/x-www-form-urlencoded`, also where it finds nothing to remove. A leading `?` goes.
pub fn push_without(out: &mut Vec<u8>, query: &[u8], name: &[u8]) {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let (key, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
            None => (pair, &b""[..]),
        };
        let key = unescape(key);
        if *key == *name {
            continue;
        }
        if !out.is_empty() {
            out.push(b'&');
        }
        escape_form(out, &key);
        out.push(b'=');
        escape_form(out, &unescape(value));
    }
}

fn escape_form(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => push_triplet(out, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(query: &str, max: usize) -> (Vec<(String, Option<String>)>, bool) {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        let mut args = Args::new(query.as_bytes(), max);
        let read = args.by_ref().map(|arg| (text(arg.name), arg.value.map(text))).collect();
        (read, args.truncated())
    }

    fn pair(name: &str, value: &str) -> (String, Option<String>) {
        (name.into(), Some(value.into()))
    }

    #[test]
    fn a_query_without_an_argument_is_written_anew() {
        let without = |query: &str, name: &str| {
            let mut out = Vec::new();
            push_without(&mut out, query.as_bytes(), name.as_bytes());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            without("c=valu%651&b=value2&api%6B%65%79=kong&a=valu%653", "apikey"),
            "c=value1&b=value2&a=value3"
        );
        assert_eq!(
            without("?a=x%20y&&b&=1&c=~!'()*-._%zz", "none"),
            "a=x+y&b=&=1&c=%7E%21%27%28%29*-._%25zz"
        );
        assert_eq!(without("a=1&a=2&a", "a"), "");
    }

    #[test]
    fn arguments_keep_their_order_and_repeat() {
        assert_eq!(
            read("a=1&b&a=2&c=&d=x=y", 100).0,
            [pair("a", "1"), ("b".into(), None), pair("a", "2"), pair("c", ""), pair("d", "x=y")]
        );
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert_eq!(read("a%20b=c+d%2Be&x=%zz%", 100).0, [pair("a b", "c d+e"), pair("x", "%zz%")]);
    }

    #[test]
    fn arguments_without_a_name_are_dropped() {
        assert_eq!(read("=hello&&=&a", 100).0, [("a".to_owned(), None)]);
    }

    #[test]
    fn the_limit_cuts_off_and_says_so() {
        assert_eq!(read("a&b&c", 2), (vec![("a".into(), None), ("b".into(), None)], true));
        assert_eq!(read("a&b", 2), (vec![("a".into(), None), ("b".into(), None)], false));
        assert_eq!(read("a&=x&c", 2), (vec![("a".into(), None)], true));
        assert_eq!(read("a&b&c", 0).0.len(), 3);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            args in proptest::collection::vec(("[ -~ö]{1,6}", proptest::option::of("[ -~ö]{0,6}")), 0..9)
        ) {
            let mut query = Vec::new();
            for (name, value) in &args {
                push_arg(&mut query, name.as_bytes(), value.as_deref().map(str::as_bytes));
            }
            prop_assert_eq!(read(&String::from_utf8_lossy(&query), 0).0, args);
        }

        #[test]
        fn any_bytes_can_be_read(query: Vec<u8>, max in 0usize..4) {
            prop_assert!(Args::new(&query, max).all(|arg| !arg.name.is_empty()));
        }
    }
}
