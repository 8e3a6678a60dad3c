//! Reads directives of one server through the namespaces that it inherits from.

use std::time::Duration;

use crate::conf::units;
use crate::conf::values::Values;

/// The value that takes a directive out of Kong's defaults.
pub const NONE: &str = "NONE";

/// Looks directives up by name, nearest namespace first, and notes what cannot be read.
pub struct Reader<'a> {
    values: &'a Values,
    prefixes: &'a [&'static str],
    errors: &'a mut Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader over the namespaces `prefixes`, nearest first.
    pub fn new(values: &'a Values, prefixes: &'a [&'static str], errors: &'a mut Vec<String>) -> Reader<'a> {
        Reader { values, prefixes, errors }
    }

    /// The value of `directive` where it is set nearest, without the quotes around it.
    pub fn text(&self, directive: &str) -> Option<String> {
        self.find(directive).map(|(_, value)| unquote(value).to_owned())
    }

    /// Every value of a directive that may be repeated. Several are written in one property, separated as
    /// nginx would see them: `a 1m; lua_shared_dict b 1m`.
    pub fn every(&self, directive: &str) -> Vec<String> {
        let Some((_, value)) = self.find(directive) else { return Vec::new() };
        split_statements(value)
            .into_iter()
            .enumerate()
            .filter_map(|(index, statement)| match statement.trim().split_once(char::is_whitespace) {
                _ if index == 0 => Some(statement.trim().to_owned()),
                Some((name, value)) if name == directive => Some(value.trim().to_owned()),
                _ => None,
            })
            .collect()
    }

    /// A size, or `default`.
    pub fn size(&mut self, directive: &str, default: u64) -> u64 {
        self.parsed(directive, |text| units::size(text).ok()).unwrap_or(default)
    }

    /// A time, or `default`.
    pub fn time(&mut self, directive: &str, default: Duration) -> Duration {
        self.parsed(directive, |text| units::time(text).ok()).unwrap_or(default)
    }

    /// `on` or `off`, or `default`. A property of kong.conf that sets the directive may have said `true`.
    pub fn switch(&mut self, directive: &str, default: bool) -> bool {
        let read = |text: &str| match text {
            "on" | "true" => Some(true),
            "off" | "false" => Some(false),
            _ => None,
        };
        self.parsed(directive, read).unwrap_or(default)
    }

    /// A whole number, or `default`.
    pub fn number(&mut self, directive: &str, default: u64) -> u64 {
        self.parsed(directive, |text| text.parse().ok()).unwrap_or(default)
    }

    /// What `read` makes of the text; `None` if the directive is unset, or wrong, which is noted.
    pub fn parsed<T>(&mut self, directive: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let (name, value) = self.find(directive)?;
        let parsed = read(unquote(value));
        if parsed.is_none() {
            self.errors.push(format!("{name} has an invalid value: '{value}'"));
        }
        parsed
    }

    fn find(&self, directive: &str) -> Option<(String, &'a str)> {
        self.prefixes.iter().find_map(|prefix| {
            let name = format!("{prefix}{directive}");
            let value = self.values.text(&name).filter(|value| *value != NONE)?;
            Some((name, value))
        })
    }
}

fn unquote(value: &str) -> &str {
    let value = value.trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

/// Splits at semicolons outside quotes.
pub fn split_statements(value: &str) -> Vec<&str> {
    let mut quote = None;
    value
        .split(|character| {
            match (quote, character) {
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), close) if open == close => quote = None,
                _ => {}
            }
            quote.is_none() && character == ';'
        })
        .filter(|statement| !statement.trim().is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::value::ConfValue;

    fn values(properties: &[(&str, &str)]) -> Values {
        let mut values = Values::default();
        for (name, value) in properties {
            values.set(name, ConfValue::from(*value));
        }
        values
    }

    #[test]
    fn the_nearest_namespace_wins_and_none_means_unset() {
        let values = values(&[
            ("nginx_http_client_max_body_size", "1m"),
            ("nginx_proxy_client_max_body_size", "2m"),
            ("nginx_http_keepalive_requests", "NONE"),
        ]);
        let mut errors = Vec::new();
        let mut reader = Reader::new(&values, &["nginx_proxy_", "nginx_http_"], &mut errors);
        assert_eq!(reader.size("client_max_body_size", 0), 2 << 20);
        assert_eq!(reader.number("keepalive_requests", 1000), 1000);
        assert!(errors.is_empty());
    }

    #[test]
    fn a_wrong_value_is_noted_with_its_property() {
        let values = values(&[("nginx_http_send_timeout", "soon")]);
        let mut errors = Vec::new();
        Reader::new(&values, &["nginx_proxy_", "nginx_http_"], &mut errors)
            .time("send_timeout", Duration::ZERO);
        assert_eq!(errors, ["nginx_http_send_timeout has an invalid value: 'soon'"]);
    }

    #[test]
    fn repeated_directives_are_written_as_nginx_would_see_them() {
        let values = values(&[("nginx_http_lua_shared_dict", "a 1m; lua_shared_dict b 2m; other c")]);
        let mut errors = Vec::new();
        let reader = Reader::new(&values, &["nginx_http_"], &mut errors);
        assert_eq!(reader.every("lua_shared_dict"), ["a 1m", "b 2m"]);
        assert_eq!(split_statements("log '$a;$b'; x"), ["log '$a;$b'", " x"]);
    }
}
