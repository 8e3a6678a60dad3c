//! Access log formats: nginx's `log_format` strings, split once at start.

use std::borrow::Cow;

/// The named formats that exist without a definition of the user.
///
/// `combined` is nginx's own; `basic` and `kong_log_format` are Kong's.
const BUILT_IN: [(&str, &str); 3] = [
    (
        "combined",
        "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
         \"$http_user_agent\"",
    ),
    ("basic", "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time"),
    (
        "kong_log_format",
        "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
         \"$http_user_agent\" kong_request_id: \"$kong_request_id\"",
    ),
];

/// A format as a list of pieces, so that a line is rendered without looking at the format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    pieces: Vec<Piece>,
    escape: Escape,
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that are the same in every line.
    Text(String),
    /// The value of an nginx variable, named without its `$`.
    Variable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Default,
    Json,
    None,
}

impl LogFormat {
    /// The built-in format called `name`.
    pub fn named(name: &str) -> Option<LogFormat> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, format)| LogFormat::parse(format))
    }

    /// Reads a definition: the text after the name in `log_format name [escape=…] 'part' 'part' …`.
    /// Quoted parts are joined; unquoted text is one part.
    pub fn parse(definition: &str) -> LogFormat {
        let mut rest = definition.trim();
        let mut escape = Escape::Default;
        if let Some(value) = rest.strip_prefix("escape=") {
            let (mode, after) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
            escape = match mode {
                "json" => Escape::Json,
                "none" => Escape::None,
                _ => Escape::Default,
            };
            rest = after.trim_start();
        }
        LogFormat { pieces: split(&unquote(rest)), escape }
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Appends one line: `variable` appends the value of the named variable and says whether there is
    /// one. A variable without value is `-`, or nothing with `escape=json`.
    pub fn render(&self, line: &mut Vec<u8>, mut variable: impl FnMut(&str, &mut Vec<u8>) -> bool) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Variable(name) => {
                    let start = line.len();
                    if variable(name, line) {
                        self.escape.apply(line, start);
                    } else if self.escape == Escape::Default {
                        line.push(b'-');
                    }
                }
            }
        }
    }
}

impl Escape {
    /// Escapes what was appended since `start`, in place; nothing is copied when nothing needs it.
    fn apply(self, line: &mut Vec<u8>, start: usize) {
        let needs = |byte: &u8| match self {
            Escape::None => false,
            Escape::Default => matches!(byte, b'"' | b'\\' | 0..32 | 127..),
            Escape::Json => matches!(byte, b'"' | b'\\' | 0..32),
        };
        if !line.get(start..).unwrap_or_default().iter().any(needs) {
            return;
        }
        let value = line.split_off(start);
        for byte in value {
            match byte {
                byte if !needs(&byte) => line.push(byte),
                b'"' | b'\\' if self == Escape::Json => line.extend_from_slice(&[b'\\', byte]),
                b'\n' if self == Escape::Json => line.extend_from_slice(b"\\n"),
                b'\r' if self == Escape::Json => line.extend_from_slice(b"\\r"),
                b'\t' if self == Escape::Json => line.extend_from_slice(b"\\t"),
                8 if self == Escape::Json => line.extend_from_slice(b"\\b"),
                12 if self == Escape::Json => line.extend_from_slice(b"\\f"),
                byte if self == Escape::Json => line.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
                byte => line.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
            }
        }
    }
}

/// Joins `'…'` and `"…"` parts; text without quotes is kept as it is.
fn unquote(definition: &str) -> Cow<'_, str> {
    if !definition.starts_with(['\'', '"']) {
        return Cow::Borrowed(definition);
    }
    let mut joined = String::new();
    let mut quote = None;
    let mut characters = definition.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (None, _) => {}
            (Some(open), close) if open == close => quote = None,
            (Some(open), '\\') => match characters.next() {
                Some(escaped) if escaped == open || escaped == '\\' => joined.push(escaped),
                Some(other) => joined.extend(['\\', other]),
                None => joined.push('\\'),
            },
            (Some(_), other) => joined.push(other),
        }
    }
    Cow::Owned(joined)
}

fn split(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let (name, after) = variable_name(after);
        if name.is_empty() {
            text.push('$');
        } else {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Variable(name.to_owned()));
        }
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// Splits off `name` or `{name}` at the start of what follows a `$`.
fn variable_name(after: &str) -> (&str, &str) {
    if let Some((name, rest)) = after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
        return (name, rest);
    }
    let end = after
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(after.len());
    after.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(format: &str, value: Option<&str>) -> String {
        let mut line = Vec::new();
        LogFormat::parse(format).render(&mut line, |_, out| {
            out.extend_from_slice(value.unwrap_or_default().as_bytes());
            value.is_some()
        });
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn kongs_default_format_ends_with_the_request_id() {
        let mut line = Vec::new();
        LogFormat::named("kong_log_format").unwrap().render(&mut line, |name, out| {
            let value = match name {
                "remote_addr" => "127.0.0.1",
                "time_local" => "23/Nov/2026:16:22:48 +0000",
                "request" => "GET / HTTP/1.1",
                "status" => "200",
                "body_bytes_sent" => "12",
                "http_user_agent" => "curl/8",
                "kong_request_id" => "abc",
                _ => return false,
            };
            out.extend_from_slice(value.as_bytes());
            true
        });
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "127.0.0.1 - - [23/Nov/2026:16:22:48 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl/8\" \
             kong_request_id: \"abc\""
        );
    }

    #[test]
    fn values_are_escaped_as_the_format_asks() {
        assert_eq!(rendered("$request", Some("GET /\"\u{1}é")), "GET /\\x22\\x01\\xC3\\xA9");
        assert_eq!(rendered("escape=json $request", Some("a\"\n\u{1}é")), "a\\\"\\n\\u0001é");
        assert_eq!(rendered("escape=none $request", Some("a\"\n")), "a\"\n");
        assert_eq!(rendered("escape=json '$request'", None), "");
        assert_eq!(rendered("$request", None), "-");
    }

    #[test]
    fn quoted_parts_are_joined_and_braces_delimit_names() {
        assert_eq!(rendered("'a $x ' \"b\" '${x}c'", Some("1")), "a 1 b1c");
        assert_eq!(rendered("costs 5$ \\ $x", Some("1")), "costs 5$ \\ 1");
    }
}
