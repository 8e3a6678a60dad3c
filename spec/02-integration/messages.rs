//! The messages themselves: HEAD, interim responses, trailers, versions, connections.

use crate::support::{Connection, Gateway, Setup, Upstream, spawn_raw};

fn start(port: u16) -> Gateway {
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: http://127.0.0.1:{port}
  routes: [{{name: r, paths: [/]}}, {{name: stream, paths: [/stream], request_buffering: false}}]
"
    ))
    .start()
}

#[test]
fn head_gets_the_fields_of_a_get_and_no_body() {
    let gateway = start(Upstream::start().port);
    let mut connection = Connection::open(gateway.proxy);
    for path in ["/bytes/100", "/status/404"] {
        let get = connection.get(path, &[]);
        let head = connection.request("HEAD", path, &[], b"");
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        if path.starts_with("/bytes") {
            assert_eq!(head.field("Content-Length"), get.field("Content-Length"), "{path}");
        }
    }
    let quiet = Setup::declarative("_format_version: '3.0'\n").start();
    let mut connection = Connection::open(quiet.proxy);
    let head = connection.request("HEAD", "/", &[], b"");
    assert_eq!(head.status, 404);
    assert!(head.field("Content-Length").is_some_and(|length| length != "0"), "{head:?}");
    assert_eq!(connection.get("/", &[]).status, 404, "the connection is still in step");
}

#[test]
fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let gateway = start(Upstream::start().port);
    for path in ["/", "/stream"] {
        let mut connection = Connection::open(gateway.proxy);
        connection.write(
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                .as_bytes(),
        );
        assert_eq!(connection.reply(true).status, 100, "{path}");
        connection.write(b"hello");
        let reply = connection.reply(false);
        assert_eq!((reply.status, reply.json()["body"].as_str()), (200, Some("hello")), "{path}");
    }
}

#[test]
fn interim_responses_of_the_upstream_are_passed_on_and_do_not_end_the_exchange() {
    let port = spawn_raw(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = start(port);
    let mut connection = Connection::open(gateway.proxy);
    let hints = connection.get("/", &[]);
    assert_eq!((hints.status, hints.field("Link")), (103, Some("</a>")));
    let reply = connection.reply(false);
    assert_eq!((reply.status, reply.text().as_str(), reply.field("Link")), (200, "ok", None));
}

#[test]
fn a_response_without_length_lasts_until_the_upstream_closes() {
    let port = spawn_raw(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nas long as it lasts");
    let gateway = start(port);
    let mut connection = Connection::open(gateway.proxy);
    for _ in 0..2 {
        let reply = connection.get("/", &[]);
        assert_eq!(
            (reply.text().as_str(), reply.field("Transfer-Encoding")),
            ("as long as it lasts", Some("chunked"))
        );
    }
    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let reply = connection.reply(false);
    assert_eq!((reply.text().as_str(), reply.field("Transfer-Encoding")), ("as long as it lasts", None));
    assert_eq!(reply.field("Connection"), Some("close"));
}

#[test]
fn responses_without_body_keep_the_connection_in_step() {
    for answer in [
        &b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"[..],
        &b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 10\r\n\r\n"[..],
    ] {
        let gateway = start(spawn_raw(answer));
        let mut connection = Connection::open(gateway.proxy);
        for _ in 0..2 {
            let reply = connection.get("/", &[]);
            assert!([204, 304].contains(&reply.status));
        }
    }
}

#[test]
fn old_clients_are_served_and_let_go() {
    let gateway = start(Upstream::start().port);
    for (head, kept) in [
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ] {
        let mut connection = Connection::open(gateway.proxy);
        connection.write(head.as_bytes());
        let reply = connection.reply(false);
        assert_eq!(reply.status, 200, "{head}");
        let expected = if kept { "keep-alive" } else { "close" };
        assert_eq!(reply.field("Connection"), Some(expected), "{head}");
        if kept {
            assert_eq!(connection.get("/", &[]).status, 200, "{head}");
        } else {
            assert!(connection.is_closed(), "{head}");
        }
    }
}

#[test]
fn a_body_cut_short_closes_the_connection() {
    let port = spawn_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    let gateway = start(port);
    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let reply = connection.reply(true);
    assert_eq!((reply.status, reply.field("Content-Length")), (200, Some("100")));
    assert_eq!(connection.rest(), b"only this");
}

#[test]
fn fields_keep_their_order_their_case_and_their_number() {
    let port = spawn_raw(
        b"HTTP/1.1 299 As I Like It\r\nset-cookie: a=1\r\nX-One: 1\r\nSet-Cookie: b=2\r\nX-EMPTY:\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = start(port);
    let reply = Connection::open(gateway.proxy).get("/", &[]);
    assert_eq!((reply.status, reply.reason.as_str()), (299, "As I Like It"));
    let seen: Vec<_> = reply
        .fields
        .iter()
        .filter(|(name, _)| ["set-cookie", "x-one", "x-empty"].contains(&name.to_lowercase().as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(seen, [("set-cookie", "a=1"), ("X-One", "1"), ("Set-Cookie", "b=2"), ("X-EMPTY", "")]);
}
