//! Bodies of error responses.
//!
//! Two ways lead here. What the gateway decides (no route, no service, redirect to https …) is told in
//! the format that `Accept` asks for, JSON by default. What goes wrong underneath (a bad request, an
//! upstream that fails) looks at `Accept`, then at the request's `Content-Type`, then at
//! `error_default_type`.

use crate::conf::Conf;
use crate::http::{Fields, Known, page};
use crate::observability::log;
use std::path::Path;

/// The format of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `text/html`.
    Html,
    /// `application/xml`.
    Xml,
    /// `text/plain`.
    Plain,
    /// `application/grpc`: the error stands in the header, there is no body.
    Grpc,
    /// JSON with nothing but the message: for who asks for gRPC without speaking it.
    BareJson,
    /// No type and no body: for who asks the gateway itself for gRPC without speaking it.
    Blank,
}

impl Format {
    /// The `Content-Type` of bodies in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Json | Format::BareJson => "application/json; charset=utf-8",
            Format::Html => "text/html; charset=utf-8",
            Format::Xml => "application/xml; charset=utf-8",
            Format::Plain => "text/plain; charset=utf-8",
            Format::Grpc => "application/grpc",
            Format::Blank => " ",
        }
    }

    /// The best of what an `Accept` value asks for: the highest quality, the first among equals.
    ///
    /// *Kong parity*: a media type that has no format of its own, or is not in lower case, counts as
    /// JSON; a member that is not a media range counts for nothing.
    pub fn accepted(accept: &[u8]) -> Format {
        let mut best = (0, Format::Json);
        for member in accept.split(|b| *b == b',') {
            let Some((media_type, quality)) = media_range(member.trim_ascii()) else { continue };
            if quality > best.0 {
                best = (quality, Format::of_media_type(media_type));
            }
        }
        best.1
    }

    /// The format for errors that arise underneath: of `Accept`, else of the request's own type, else
    /// the configured default. `grpc` tells whether the request speaks gRPC.
    pub fn underneath(fields: &Fields, grpc: bool, default: &str) -> Format {
        let asked = fields.known(Known::Accept).or_else(|| fields.known(Known::ContentType));
        let asked = asked.unwrap_or(default.as_bytes());
        match asked.starts_with(b"application/grpc") {
            true if grpc => Format::Grpc,
            true => Format::BareJson,
            false => Format::accepted(asked),
        }
    }

    fn of_media_type(media_type: &[u8]) -> Format {
        match media_type {
            b"text/html" => Format::Html,
            b"application/xml" => Format::Xml,
            b"text/plain" | b"text/*" => Format::Plain,
            b"application/grpc" => Format::Blank,
            _ => Format::Json,
        }
    }
}

/// A media range and its quality in thousandths; `None` for anything else.
fn media_range(member: &[u8]) -> Option<(&[u8], u32)> {
    let mut parameters = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let media_type = parameters.next()?;
    let slash = memchr::memchr(b'/', media_type)?;
    let (main, sub) = (media_type.get(..slash)?, media_type.get(slash + 1..)?);
    let is_token = |part: &[u8]| {
        part == b"*"
            || (part.len() > 1 && part.iter().all(|b| b.is_ascii_alphanumeric() || b"-!#$&^_+.".contains(b)))
    };
    if !is_token(main) || !is_token(sub) {
        return None;
    }
    let quality = parameters
        .filter_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")))
        .find_map(|q| std::str::from_utf8(q).ok()?.trim().parse::<f32>().ok());
    Some((media_type, (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32))
}

/// The bodies, with two `%s`: the message and the request id.
#[derive(Debug, Clone)]
pub struct Templates {
    json: String,
    html: String,
    xml: String,
    plain: String,
}

impl Templates {
    /// The built-in ones, or those that `error_template_*` name. A file that cannot be read is told in
    /// the log and left aside.
    pub fn read(conf: &Conf) -> Templates {
        let mut templates = Templates::default();
        let files = [
            ("json", &conf.error_template_json, &mut templates.json),
            ("html", &conf.error_template_html, &mut templates.html),
            ("xml", &conf.error_template_xml, &mut templates.xml),
            ("plain", &conf.error_template_plain, &mut templates.plain),
        ];
        for (format, path, template) in files {
            let Some(path) = path else { continue };
            match read_template(path) {
                Ok(text) => *template = text,
                Err(error) => log::error!("failed reading the custom {format} error template: {error}"),
            }
        }
        templates
    }

    /// Appends the body that tells `message`.
    pub fn render(&self, format: Format, message: &str, request_id: &str, out: &mut Vec<u8>) {
        let template = match format {
            Format::Json => self.json.as_str(),
            Format::Html => &self.html,
            Format::Xml => &self.xml,
            Format::Plain => &self.plain,
            Format::Grpc | Format::Blank => return,
            Format::BareJson => "{\"message\":\"%s\"}",
        };
        let mut values = [message, request_id].into_iter();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('%') {
            out.extend_from_slice(before.as_bytes());
            rest = match after.strip_prefix('s') {
                Some(after) => {
                    out.extend_from_slice(values.next().unwrap_or_default().as_bytes());
                    after
                }
                None => {
                    out.push(b'%');
                    after.strip_prefix('%').unwrap_or(after)
                }
            };
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

fn read_template(path: &Path) -> Result<String, String> {
    if !path.exists() {
        return Err("file not found".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

impl Default for Templates {
    fn default() -> Templates {
        let html = ["<!doctype html>", "<html>", "  <head>", "    <meta charset=\"utf-8\">"]
            .into_iter()
            .chain(["    <title>Error</title>", "  </head>", "  <body>", "    <h1>Error</h1>"])
            .chain(["    <p>%s.</p>", "    <p>request_id: %s</p>", "  </body>", "</html>", ""]);
        let xml = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<error>", "  <message>%s</message>"]
            .into_iter()
            .chain(["  <requestid>%s</requestid>", "</error>", ""]);
        Templates {
            json: "{\n  \"message\":\"%s\",\n  \"request_id\":\"%s\"\n}".to_owned(),
            html: html.collect::<Vec<_>>().join("\n"),
            xml: xml.collect::<Vec<_>>().join("\n"),
            plain: "%s\nrequest_id: %s\n".to_owned(),
        }
    }
}

/// What an error body says about a status that arose underneath.
pub fn message(status: u16) -> std::borrow::Cow<'static, str> {
    match status {
        400 => "Bad request",
        404 => "Not found",
        405 => "Method not allowed",
        408 => "Request timeout",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        417 => "Expectation failed",
        494 => "Request header or cookie too large",
        500 => "An unexpected error occurred",
        502 => "An invalid response was received from the upstream server",
        503 => "The upstream server is currently unavailable",
        504 => "The upstream server is timing out",
        _ => return format!("The upstream server responded with {status}").into(),
    }
    .into()
}

/// Whether a status has a body of ours; for any other nginx's own page is told.
pub const fn is_ours(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 408 | 411 | 412 | 413 | 414 | 417 | 494 | 500 | 502 | 503 | 504)
}

/// The page nginx has for a status that none of our bodies covers: 497, 501, 505.
///
/// *Kong parity*: it does not name the server.
pub fn plain_page(status: u16, out: &mut Vec<u8>) {
    let page = match status {
        497 => page::plain(400, Some("The plain HTTP request was sent to HTTPS port")),
        _ => page::plain(status, None),
    };
    out.extend_from_slice(page.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_quality_wins_and_the_first_among_equals() {
        for (accept, expected) in [
            ("*/*", Format::Json),
            ("", Format::Json),
            ("text/html", Format::Html),
            ("text/*", Format::Plain),
            ("application/*", Format::Json),
            ("image/png", Format::Json),
            ("image/png, text/html;q=0.5", Format::Json),
            ("text/html;q=0.3, text/plain;q=0.7, */*;q=0.1", Format::Plain),
            ("text/html;q=0, application/xml;q=0.1", Format::Xml),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("text/html; charset=utf-8; q=0.2, text/plain;q=0.3", Format::Plain),
            ("nonsense, text/plain", Format::Plain),
            ("TEXT/HTML", Format::Json),
        ] {
            assert_eq!(Format::accepted(accept.as_bytes()), expected, "{accept}");
        }
    }

    #[test]
    fn errors_underneath_look_at_the_requests_own_type_too() {
        let mut fields = Fields::new();
        assert_eq!(Format::underneath(&fields, false, "text/plain"), Format::Plain);
        fields.append(b"Content-Type", b"application/json");
        assert_eq!(Format::underneath(&fields, false, "text/plain"), Format::Json);
        fields.append(b"Accept", b"text/html");
        assert_eq!(Format::underneath(&fields, false, "text/plain"), Format::Html);
        fields.set(b"Accept", b"application/grpc+proto");
        assert_eq!(Format::underneath(&fields, true, "text/plain"), Format::Grpc);
        assert_eq!(Format::underneath(&fields, false, "text/plain"), Format::BareJson);
    }

    #[test]
    fn bodies_carry_message_and_request_id() {
        let templates = Templates::default();
        let body = |format| {
            let mut out = Vec::new();
            templates.render(format, "Oh", "1f", &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(body(Format::Json), "{\n  \"message\":\"Oh\",\n  \"request_id\":\"1f\"\n}");
        assert_eq!(body(Format::Plain), "Oh\nrequest_id: 1f\n");
        assert!(body(Format::Html).contains("<p>Oh.</p>\n    <p>request_id: 1f</p>"));
        assert!(body(Format::Xml).ends_with("<requestid>1f</requestid>\n</error>\n"));
        assert_eq!(body(Format::BareJson), "{\"message\":\"Oh\"}");
        assert_eq!(body(Format::Grpc), "");
    }

    #[test]
    fn a_percent_sign_that_is_no_place_stays() {
        let templates = Templates { plain: "100%% %d %s %s %s".to_owned(), ..Templates::default() };
        let mut out = Vec::new();
        templates.render(Format::Plain, "a", "b", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "100% %d a b ");
    }

    #[test]
    fn other_statuses_have_nginxs_page() {
        let mut out = Vec::new();
        plain_page(501, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<html>\r\n<head><title>501 Not Implemented</title></head>\r\n<body>\r\n\
             <center><h1>501 Not Implemented</h1></center>\r\n\
             </body>\r\n</html>\r\n"
        );
    }
}
