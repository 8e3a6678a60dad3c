//! The syntax of kong.conf.
//!
//! *Kong parity*, including what surprises:
//! - `key = value`, one per line; the first `=` separates; white space around both is dropped.
//! - A line that begins with `#` or `;` is a comment; `#` after a value begins one too, unless it is
//!   written `\#`.
//! - A line that ends with `\` goes on in the next one.
//! - Characters of a key other than letters and digits become `_`: `log-level` is `log_level`.
//! - Quotes are part of the value.
//! - A value that is a number, the whole line long, is normalised: `0644` is `644`.
//! - After a `[section]` line nothing is a property any more.
//! - The last line of two with the same key counts.

use std::collections::BTreeMap;

use super::{number, prefix};

/// Which of the two files it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Written by a user.
    KongConf,
    /// Written by [`super::prefix`]: numbers are as they are, and a value may be a JSON string.
    KongEnv,
}

/// Reads the text of a kong.conf or `.kong_env` into its properties, all still text.
pub fn parse(text: &str, dialect: Dialect) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for line in logical_lines(text) {
        if line.starts_with('[') {
            break;
        }
        if let Some((key, value)) = line.trim_start().split_once('=') {
            let value = match dialect {
                Dialect::KongConf => read_value(value),
                Dialect::KongEnv => prefix::decode_env_value(&value.trim().replace("\\#", "#")),
            };
            properties.insert(normalize_key(key.trim_end()), value);
        }
    }
    properties
}

/// Lines without comment lines and empty ones, continuations joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        match line.trim_end().strip_suffix('\\') {
            Some(continued) => pending.push_str(continued),
            None => {
                pending.push_str(line);
                lines.push(std::mem::take(&mut pending));
            }
        }
    }
    lines
}

fn normalize_key(key: &str) -> String {
    key.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

fn read_value(raw: &str) -> String {
    let raw = raw.trim();
    if raw.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-'))
        && let Some(number) = number::parse(raw.strip_suffix(" kB").unwrap_or(raw))
    {
        return number::format(number);
    }
    strip_comment(raw).replace("\\#", "#")
}

/// Cuts the value at the first `#` that has no backslash before it.
fn strip_comment(value: &str) -> &str {
    let comment = value
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| !value.get(..*at).is_some_and(|before| before.ends_with('\\')));
    match comment {
        Some(at) => value.get(..at).unwrap_or_default().trim_end(),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, key: &str) -> Option<String> {
        parse(text, Dialect::KongConf).remove(key)
    }

    #[test]
    fn comments_are_stripped_and_escaped_octothorpes_kept() {
        let text = "database = postgres # strip me\nlog_level =        debug       # this\n   # and this\n; this\n\
                    pg_password = test\\#123  # do not strip an escaped octothorpe\n";
        let properties = parse(text, Dialect::KongConf);
        assert_eq!(properties.len(), 3);
        assert_eq!(properties["database"], "postgres");
        assert_eq!(properties["log_level"], "debug");
        assert_eq!(properties["pg_password"], "test#123");
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        assert_eq!(value("plugins = a, \\\n  b, \\\n c\nx = y", "plugins").unwrap(), "a,   b,  c");
    }

    #[test]
    fn quotes_stay_and_the_first_equals_sign_separates() {
        assert_eq!(value("pg_password = \"a = b\"", "pg_password").unwrap(), "\"a = b\"");
        assert_eq!(value("log-level=debug\r", "log_level").unwrap(), "debug");
        assert_eq!(value("pg_password =", "pg_password").unwrap(), "");
    }

    #[test]
    fn numbers_alone_on_the_line_are_normalised() {
        assert_eq!(value("pg_password = 0123", "pg_password").unwrap(), "123");
        assert_eq!(value("pg_password = 0123 # c", "pg_password").unwrap(), "0123");
        assert_eq!(value("mem_cache_size = 128m", "mem_cache_size").unwrap(), "128m");
        assert_eq!(value("x = 16 kB", "x").unwrap(), "16");
    }

    #[test]
    fn a_kong_env_keeps_numbers_as_they_are() {
        assert_eq!(parse("pg_password = 0123\\#4", Dialect::KongEnv)["pg_password"], "0123#4");
    }

    #[test]
    fn sections_end_the_properties() {
        assert_eq!(parse("a = 1\n[section]\nb = 2", Dialect::KongConf).len(), 1);
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert_eq!(value("a = 1\na = 2", "a").unwrap(), "2");
    }
}
