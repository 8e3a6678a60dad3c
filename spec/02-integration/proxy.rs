//! What the client and the upstream see of a proxied request.

use crate::support::{Connection, Gateway, Setup, Upstream, free_port, get, request, spawn_raw};
use serde_json::Value;

fn gateway(url: &str, route: &str) -> Gateway {
    Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- name: s\n  url: {url}\n  routes:\n  - name: r\n    {route}\n"
    ))
    .start()
}

#[test]
fn no_route_is_a_404_with_the_request_id_in_body_and_header() {
    let gateway = Setup::declarative("_format_version: '3.0'\n").start();
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!((reply.status, reply.reason.as_str()), (404, "Not Found"));
    let id = reply.field("X-Kong-Request-Id").expect("a request id").to_string();
    assert_eq!(
        reply.text(),
        format!("{{\n  \"message\":\"no Route matched with those values\",\n  \"request_id\":\"{id}\"\n}}")
    );
    assert_eq!(reply.field("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.field("Server"), Some("kong/3.9.3"));
    assert!(reply.field("X-Kong-Response-Latency").is_some());
    assert!(reply.field("Via").is_none());
}

#[test]
fn a_proxied_response_carries_latencies_and_via() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream.url(), "paths: [/]");
    let reply = get(gateway.proxy, "/status/418", &[]);
    assert_eq!(reply.status, 418);
    assert_eq!(reply.field("Via"), Some("1.1 kong/3.9.3"));
    for name in ["X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency"] {
        assert!(reply.field(name).is_some_and(|v| v.parse::<u64>().is_ok()), "{name}: {reply:?}");
    }
    assert_eq!(reply.field("X-Kong-Request-Id").map(str::len), Some(32));
}

fn first<'a>(seen: &'a Value, name: &str) -> &'a str {
    seen["headers"][name][0].as_str().unwrap_or_default()
}

#[test]
fn the_upstream_sees_forwarding_headers_and_no_hop_by_hop_ones() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream.url(), "paths: [/a]");
    let fields = [
        ("Host", "example.test:8080"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("Connection", "keep-alive, X-Gone"),
        ("X-Gone", "1"),
        ("Proxy-Connection", "x"),
        ("TE", "gzip, trailers"),
    ];
    let seen = get(gateway.proxy, "/a/b?c=d", &fields).json();
    assert_eq!(seen["uri"], "/b?c=d");
    assert_eq!(first(&seen, "x-forwarded-for"), "10.0.0.1, 127.0.0.1");
    assert_eq!(first(&seen, "x-forwarded-proto"), "http");
    assert_eq!(first(&seen, "x-forwarded-host"), "example.test");
    assert_eq!(first(&seen, "x-forwarded-port"), gateway.proxy.to_string());
    assert_eq!(first(&seen, "x-forwarded-path"), "/a/b");
    assert_eq!(first(&seen, "x-forwarded-prefix"), "/a");
    assert_eq!(first(&seen, "x-real-ip"), "127.0.0.1");
    assert_eq!(first(&seen, "host"), format!("127.0.0.1:{}", upstream.port));
    assert_eq!(first(&seen, "te"), "trailers");
    assert_eq!(first(&seen, "via"), "1.1 kong/3.9.3");
    assert_eq!(seen["headers"].get("x-gone"), None);
    assert_eq!(seen["headers"].get("proxy-connection"), None);
}

#[test]
fn bodies_pass_both_ways_with_a_length_and_chunked() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream.url(), "paths: [/]");
    let body = vec![b'y'; 300_000];
    let reply = request(gateway.proxy, "POST", "/", &[], &body);
    assert_eq!(reply.json()["body"].as_str().map(str::len), Some(body.len()));

    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(connection.reply(false).json()["body"], "hello world");
    assert_eq!(connection.get("/bytes/1000000", &[]).body.len(), 1_000_000);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream.url(), "paths: [/]");
    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    for path in ["/1", "/2", "/3"] {
        assert_eq!(connection.reply(false).json()["uri"], path);
    }
}

#[test]
fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream.url(), "paths: [/]");
    let heads: [(u16, &[u8]); 6] = [
        (
            400,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n"),
    ];
    for (status, head) in heads {
        let mut connection = Connection::open(gateway.proxy);
        connection.write(head);
        let reply = connection.reply(false);
        assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(head));
        assert!(connection.is_closed(), "{}", String::from_utf8_lossy(head));
    }
}

#[test]
fn an_unreachable_upstream_is_a_502_and_a_silent_one_a_504() {
    let dead = free_port();
    let gateway = gateway(&format!("http://127.0.0.1:{dead}"), "paths: [/]");
    let reply = get(gateway.proxy, "/", &[("Accept", "application/json")]);
    assert_eq!(reply.status, 502);
    assert_eq!(reply.json()["message"], "An invalid response was received from the upstream server");

    let garbage = spawn_raw(b"nonsense\r\n\r\n");
    let second = self::gateway(&format!("http://127.0.0.1:{garbage}"), "paths: [/]");
    assert_eq!(get(second.proxy, "/", &[]).status, 502);

    let upstream = Upstream::start();
    let slow = Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- name: s\n  url: {}\n  read_timeout: 200\n  retries: 0\n  routes:\n  - paths: [/]\n",
        upstream.url()
    ))
    .start();
    let reply = get(slow.proxy, "/delay/3000", &[]);
    assert_eq!(reply.status, 504);
    assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(reply.text().starts_with("The upstream server is timing out\nrequest_id: "), "{}", reply.text());
}
