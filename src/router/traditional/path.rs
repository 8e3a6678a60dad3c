//! A path of a traditional route, a prefix or a PCRE regex.

use pcre2::bytes::{Regex, RegexBuilder};

use crate::router::captures::UriCaptures;
use crate::router::expression::{Hint, PathPart, Trace};
use crate::router::pattern::required_prefix;

/// Keeps a regex that backtracks without end from holding the worker.
const REGEX_LIMIT: &str = "(*LIMIT_MATCH=10000)";
/// The group around what follows the match; it is cut out of the captures.
const POSTFIX: &str = "uri_postfix";

/// A path.
#[derive(Debug)]
pub(super) enum Path {
    Prefix(String),
    Regex { source: String, regex: Regex },
}

impl Path {
    pub(super) fn new(path: &str) -> Result<Self, String> {
        let Some(source) = path.strip_prefix('~') else {
            return Ok(Self::Prefix(path.to_owned()));
        };
        let regex = RegexBuilder::new()
            .jit_if_available(true)
            .build(&format!("{REGEX_LIMIT}\\A(?:{source}(?<{POSTFIX}>.*))"))
            .map_err(|error| error.to_string())?;
        Ok(Self::Regex { source: source.to_owned(), regex })
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Self::Regex { regex, .. } => !path.is_empty() && regex.is_match(path).unwrap_or(false),
        }
    }

    /// The prefix, or the regex without its mark.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Regex { source: text, .. } => text,
        }
    }

    /// What the match leaves behind, for a path that matches.
    pub(super) fn trace(&self, path: &[u8], trace: &mut Trace) {
        match self {
            Self::Prefix(prefix) => trace.path = Some(part(prefix.len())),
            Self::Regex { regex, .. } => trace_regex(regex, path, trace),
        }
    }

    pub(super) fn hint(&self) -> Option<Hint> {
        match self {
            Self::Prefix(prefix) => Some(Hint::Prefix(prefix.as_bytes().into())),
            Self::Regex { source, .. } => {
                let prefix = required_prefix(&format!("^{source}"));
                (!prefix.is_empty()).then(|| Hint::Prefix(prefix.into_bytes().into()))
            }
        }
    }
}

fn part(len: usize) -> PathPart {
    PathPart { start: 0, len, lowered: false }
}

/// *Kong parity*: what is cut off is all but the postfix group, and groups that took no part stay.
fn trace_regex(regex: &Regex, path: &[u8], trace: &mut Trace) {
    let Ok(Some(captures)) = regex.captures(path) else {
        return;
    };
    let names = regex.capture_names();
    let last = captures.len() - 1;
    if let Some(postfix) = captures.get(last) {
        trace.path = Some(part(path.len() - postfix.as_bytes().len()));
    }
    let Some(uri_captures) = &mut trace.captures else {
        return;
    };
    *uri_captures = UriCaptures { numbered: vec![None; last], named: Vec::new() };
    for number in 0..last {
        if let Some(group) = captures.get(number) {
            let name = names.get(number).and_then(Option::as_deref);
            uri_captures.set(number, name, group.as_bytes());
        }
    }
}
