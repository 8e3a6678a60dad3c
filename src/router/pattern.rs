//! Regexes of routes: checked when the router is built, compiled when first needed.

use std::sync::OnceLock;

use regex::Regex;

/// A regex in the syntax of the `regex` crate.
///
/// *Cost*: [`Pattern::new`] parses only. The first match compiles, once for all workers that share
/// the snapshot; ten thousand routes would otherwise take seconds to build.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Checks the syntax of `source`.
    ///
    /// *Errors*: the text that users see, several lines.
    pub fn new(source: &str) -> Result<Self, String> {
        regex_automata::util::syntax::parse(source).map_err(|error| error.to_string())?;
        Ok(Self { source: source.to_owned(), compiled: OnceLock::new() })
    }

    /// The compiled regex; `None` when it would be too large, so that it matches nothing.
    pub(super) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.source).ok()).as_ref()
    }

    /// The regex as it was written.
    #[cfg(test)]
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Bytes that every match starts with, at the start of the text.
    pub(super) fn required_prefix(&self) -> String {
        required_prefix(&self.source)
    }
}

/// The literal start of an anchored regex; empty when nothing is certain.
///
/// Reads plain characters after `^` up to the first that could mean anything else.
pub(super) fn required_prefix(source: &str) -> String {
    let Some(body) = source.strip_prefix('^') else {
        return String::new();
    };
    if has_open_alternative(body) {
        return String::new();
    }
    let mut prefix = String::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => chars.next().filter(char::is_ascii_punctuation),
            _ if c.is_ascii_alphanumeric() => Some(c),
            '/' | '-' | '_' | '~' | '%' | '=' | ',' | ':' | '@' | '!' | ';' | '\'' | '&' => Some(c),
            _ => None,
        };
        let Some(literal) = literal else {
            break;
        };
        if matches!(chars.peek(), Some('?' | '*' | '{')) {
            break;
        }
        prefix.push(literal);
    }
    prefix
}

/// Whether a `|` stands outside all groups and classes, or cannot be told from one that does.
fn has_open_alternative(body: &str) -> bool {
    let mut depth = 0_i32;
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => return body.contains('|'),
            '(' => depth += 1,
            ')' => depth -= 1,
            '|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_start_of_a_regex_is_known() {
        for (source, prefix) in [
            ("^/users/\\d+/x$", "/users/"),
            ("^/v1\\.0/(a|b)", "/v1.0/"),
            ("^/ab?c", "/a"),
            ("^/ab{2}", "/a"),
            ("^/ab+", "/ab"),
            ("^/a|/b", ""),
            ("^/(?i)a", "/"),
            ("^(?i)/a", ""),
            ("/a", ""),
            ("^/a[|]b", ""),
            ("^/a\\Qb\\E", "/a"),
            ("^/ä", "/"),
        ] {
            assert_eq!(required_prefix(source), prefix, "of {source}");
        }
    }

    #[test]
    fn a_bad_regex_is_refused_with_the_reason() {
        let error = Pattern::new("/(").unwrap_err();
        assert!(error.contains("unclosed group"), "{error}");
    }
}
