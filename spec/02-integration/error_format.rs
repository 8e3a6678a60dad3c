//! In which format the gateway words its own errors: `Accept`, then the request's `Content-Type`,
//! then `error_default_type`; built-in and custom templates.

use crate::support::{Gateway, Reply, Setup, free_port, get, request};
use std::fs;

const UNREACHABLE: &str = "An invalid response was received from the upstream server";
const NO_ROUTE: &str = "no Route matched with those values";

fn setup() -> Setup {
    let dead = free_port();
    Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- url: http://127.0.0.1:{dead}\n  retries: 0\n  routes:\n  - paths: [/dead]\n"
    ))
}

/// The body and content type Kong gives `message` in `format`.
fn worded(format: &str, message: &str, reply: &Reply) -> (String, String) {
    let id = reply.field("X-Kong-Request-Id").expect("a request id");
    let body = match format {
        "json" => format!("{{\n  \"message\":\"{message}\",\n  \"request_id\":\"{id}\"\n}}"),
        "plain" => format!("{message}\nrequest_id: {id}\n"),
        "xml" => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{message}</message>\n  <requestid>{id}</requestid>\n</error>\n"
        ),
        "html" => format!(
            "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>{message}.</p>\n    <p>request_id: {id}</p>\n  </body>\n</html>\n"
        ),
        _ => format!("{{\"message\":\"{message}\"}}"),
    };
    let kind = match format {
        "plain" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "xml" => "application/xml; charset=utf-8",
        _ => "application/json; charset=utf-8",
    };
    (kind.to_string(), body)
}

fn said(reply: &Reply) -> (String, String) {
    (reply.field("Content-Type").unwrap_or_default().to_string(), reply.text())
}

#[test]
fn the_accept_field_chooses_the_format() {
    let gateway = setup().start();
    // Accept, format of an error of the connection to the upstream, format of a 404 of the router.
    let table = [
        ("application/json", "json", "json"),
        ("text/html", "html", "html"),
        ("text/plain", "plain", "plain"),
        ("application/xml", "xml", "xml"),
        ("*/*", "json", "json"),
        ("text/*", "plain", "plain"),
        ("application/*", "json", "json"),
        ("image/png", "json", "json"),
        ("image/png, text/html;q=0.9", "json", "json"),
        ("text/html;q=0", "json", "json"),
        ("TEXT/HTML", "json", "json"),
        ("nonsense", "json", "json"),
        ("text/html; charset=utf-8", "html", "html"),
        ("application/json;q=0.9,text/html,text/plain;q=0.9", "html", "html"),
        ("text/plain;q=0.7,application/json;q=0.8,text/html;q=0.5", "json", "json"),
        ("text/html;q=0.5,application/xml;q=0.5", "html", "html"),
        ("text/html;level=1;q=0.2, text/plain;q=0.3", "plain", "plain"),
    ];
    for (accept, of_upstream, of_router) in table {
        let reply = get(gateway.proxy, "/dead", &[("Accept", accept)]);
        assert_eq!(reply.status, 502, "Accept: {accept}");
        assert_eq!(said(&reply), worded(of_upstream, UNREACHABLE, &reply), "Accept: {accept}");
        let reply = get(gateway.proxy, "/none", &[("Accept", accept)]);
        assert_eq!(reply.status, 404, "Accept: {accept}");
        assert_eq!(said(&reply), worded(of_router, NO_ROUTE, &reply), "Accept: {accept}");
    }
    let reply = get(gateway.proxy, "/dead", &[("Accept", "application/grpc")]);
    assert_eq!(said(&reply), worded("compact", UNREACHABLE, &reply));
}

#[test]
fn without_accept_an_error_of_the_upstream_takes_the_content_type_of_the_request_or_the_default() {
    let gateway = setup().start();
    for (kind, format) in [
        ("application/json", "json"),
        ("text/html; charset=utf-8", "html"),
        ("application/x-www-form-urlencoded", "json"),
        ("application/xml", "xml"),
        ("application/grpc", "compact"),
        ("text/plain", "plain"),
    ] {
        let fields = [("Content-Type", kind)];
        let reply = request(gateway.proxy, "POST", "/dead", &fields, b"x");
        assert_eq!(said(&reply), worded(format, UNREACHABLE, &reply), "Content-Type: {kind}");
        let reply = request(gateway.proxy, "POST", "/none", &fields, b"x");
        assert_eq!(said(&reply), worded("json", NO_ROUTE, &reply), "Content-Type: {kind}");
    }
    let reply = get(gateway.proxy, "/dead", &[]);
    assert_eq!(said(&reply), worded("plain", UNREACHABLE, &reply));
}

#[test]
fn error_default_type_is_the_last_resort() {
    for (kind, format) in [("text/html", "html"), ("application/json", "json"), ("application/xml", "xml")] {
        let gateway = setup().with("error_default_type", kind).start();
        let reply = get(gateway.proxy, "/dead", &[]);
        assert_eq!(said(&reply), worded(format, UNREACHABLE, &reply), "{kind}");
        let reply = get(gateway.proxy, "/none", &[]);
        assert_eq!(said(&reply), worded("json", NO_ROUTE, &reply), "{kind}");
        let reply = request(gateway.proxy, "HEAD", "/dead", &[], b"");
        assert_eq!((reply.status, reply.body.len()), (502, 0));
    }
}

#[test]
fn custom_templates_replace_the_built_in_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let formats = [
        ("json", "application/json", "{\"mine\":\"%s\",\"id\":\"%s\"}"),
        ("html", "text/html", "<b>%s</b> <i>%s</i> 100%%\n"),
        ("plain", "text/plain", "mine: %s (%s)"),
        ("xml", "application/xml", "<e><m>%s</m><i>%s</i></e>"),
    ];
    let mut setup = setup();
    for (name, _, template) in formats {
        let file = folder.path().join(name);
        fs::write(&file, template).expect("a template");
        setup = setup.with(&format!("error_template_{name}"), file.display().to_string());
    }
    let gateway = setup.start();
    for (name, accept, template) in formats {
        for (path, message) in [("/dead", UNREACHABLE), ("/none", NO_ROUTE)] {
            let reply = get(gateway.proxy, path, &[("Accept", accept)]);
            let id = reply.field("X-Kong-Request-Id").expect("a request id").to_string();
            let expected = template.replacen("%s", message, 1).replacen("%s", &id, 1).replace("%%", "%");
            assert_eq!(reply.text(), expected, "{name} {path}");
        }
    }
}

fn plain(gateway: &Gateway, head: &[u8]) -> Reply {
    let mut connection = crate::support::Connection::open(gateway.proxy);
    connection.write(head);
    connection.reply(false)
}

#[test]
fn requests_that_cannot_be_read_are_answered_in_the_default_type() {
    let gateway = setup().with("nginx_http_client_max_body_size", "10").start();
    let long = "a".repeat(10 * 1024);
    let table = [
        (400, "Bad request", "GET / HTTP/1.1\r\n\r\n".to_string()),
        (400, "Bad request", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_string()),
        (400, "Bad request", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_string()),
        (400, "Bad request", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_string()),
        (
            400,
            "Request header or cookie too large",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {long}\r\n\r\n"),
        ),
        (405, "Method not allowed", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_string()),
        (
            413,
            "Payload too large",
            "POST /dead HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world".to_string(),
        ),
        (414, "URI too long", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
    ];
    for (status, message, head) in table {
        let head_line = head.get(..40).unwrap_or(&head).to_string();
        let reply = plain(&gateway, head.as_bytes());
        assert_eq!(reply.status, status, "{head_line}");
        assert_eq!(said(&reply), worded("plain", message, &reply), "{head_line}");
        assert_eq!(reply.field("Server"), Some("kong/3.9.3"), "{head_line}");
        assert!(reply.field("X-Kong-Response-Latency").is_some(), "{head_line}: {reply:?}");
        assert!(reply.field("Via").is_none(), "{head_line}");
    }
}
