//! The fields the gateway adds to responses and requests, as `headers` and `headers_upstream` name
//! them.

use crate::support::{Gateway, Reply, Setup, Upstream, get, spawn_raw};

const ALL: [&str; 7] = [
    "Server",
    "Via",
    "X-Kong-Proxy-Latency",
    "X-Kong-Upstream-Latency",
    "X-Kong-Response-Latency",
    "X-Kong-Request-Id",
    "X-Kong-Upstream-Status",
];

fn declared(upstream: u16, named: u16) -> Setup {
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- name: bare
  url: http://127.0.0.1:{upstream}
  routes:
  - paths: [/bare]
  - name: short
    paths: [/short]
    plugins:
    - name: request-termination
      config: {{status_code: 200, message: Terminated}}
    - name: response-transformer
      config: {{add: {{headers: ['Via:kong/3.9.3', 'Server:Demo']}}}}
  - name: rewritten
    paths: [/rewritten]
    plugins:
    - name: post-function
      config:
        header_filter: ['kong.response.set_status(500) kong.response.set_header(\"X-Kong-Request-Id\", \"mine\")']
        access: ['kong.service.request.set_header(\"X-Kong-Request-Id\", \"mine\")']
- name: named
  url: http://127.0.0.1:{named}
  routes:
  - paths: [/named]
"
    ))
}

fn start(headers: &str) -> Gateway {
    let named = spawn_raw(
        b"HTTP/1.1 201 Created\r\nServer: box\r\nVia: 2 nginx, HTTP/1.1 mock\r\nContent-Length: 0\r\n\r\n",
    );
    let setup = declared(Upstream::start().port, named);
    if headers.is_empty() { setup.start() } else { setup.with("headers", headers).start() }
}

/// Which of the fields a response has.
fn present(reply: &Reply) -> Vec<&'static str> {
    ALL.into_iter().filter(|name| reply.field(name).is_some()).collect()
}

#[test]
fn headers_chooses_what_responses_carry() {
    let (server, via) = ("Server", "Via");
    let (proxy, up, own) = ("X-Kong-Proxy-Latency", "X-Kong-Upstream-Latency", "X-Kong-Response-Latency");
    let (id, status) = ("X-Kong-Request-Id", "X-Kong-Upstream-Status");
    // `headers`, then what a proxied response has beside its own fields, then what a 404 has.
    let table: [(&str, Vec<&str>, Vec<&str>); 12] = [
        ("", vec![server, via, proxy, up, id], vec![server, own, id]),
        ("server_tokens", vec![server, via], vec![server]),
        ("latency_tokens", vec![proxy, up], vec![own]),
        ("Via", vec![via], vec![]),
        ("Server", vec![server], vec![server]),
        ("off", vec![], vec![]),
        ("X-Kong-Upstream-Latency", vec![up], vec![]),
        ("X-Kong-Response-Latency", vec![], vec![own]),
        ("x-kong-request-id", vec![id], vec![id]),
        ("X-Kong-Upstream-Status", vec![status], vec![]),
        ("serVer_TokEns, x-kOng-pRoXy-lAtency", vec![server, via, proxy], vec![server]),
        ("server_tokens, off, X-Kong-Proxy-Latency", vec![server, via, proxy], vec![server]),
    ];
    for (headers, proxied, refused) in table {
        let gateway = start(headers);
        let reply = get(gateway.proxy, "/bare/status/200", &[]);
        let seen: Vec<_> = present(&reply);
        assert_eq!(seen, proxied, "headers = {headers}, proxied");
        let reply = get(gateway.proxy, "/none", &[]);
        assert_eq!(present(&reply), refused, "headers = {headers}, 404");
        let reply = get(gateway.proxy, "/named", &[]);
        assert_eq!(reply.field("Server"), Some("box"), "headers = {headers}");
        let expected = if proxied.contains(&via) {
            "2 nginx, HTTP/1.1 mock, 1.1 kong/3.9.3"
        } else {
            "2 nginx, HTTP/1.1 mock"
        };
        assert_eq!(reply.field("Via"), Some(expected), "headers = {headers}");
    }
}

#[test]
fn a_terminated_request_with_kongs_via_keeps_its_own_server() {
    let gateway = start("");
    let reply = get(gateway.proxy, "/short", &[]);
    assert_eq!((reply.status, reply.field("Server")), (200, Some("Demo")));
    assert_eq!(reply.field("Via"), Some("kong/3.9.3"));
}

#[test]
fn the_upstream_status_is_the_upstreams_even_when_a_plugin_changes_it() {
    let gateway = start("X-Kong-Upstream-Status, X-Kong-Request-Id");
    let reply = get(gateway.proxy, "/rewritten/status/202", &[]);
    assert_eq!((reply.status, reply.field("X-Kong-Upstream-Status")), (500, Some("202")));
    assert_eq!(reply.field("X-Kong-Request-Id").map(str::len), Some(32));
    assert_eq!(reply.json()["headers"]["x-kong-request-id"][0], reply.field("X-Kong-Request-Id").unwrap());
    assert_eq!(get(gateway.proxy, "/short", &[]).field("X-Kong-Upstream-Status"), None);
}

#[test]
fn headers_upstream_chooses_what_the_upstream_gets() {
    for (value, sent) in [("", true), ("X-Kong-Request-Id", true), ("off", false)] {
        let setup = declared(Upstream::start().port, 1);
        let setup = if value.is_empty() { setup } else { setup.with("headers_upstream", value) };
        let gateway = setup.start();
        let reply = get(gateway.proxy, "/bare", &[("X-Kong-Request-Id", "of the client")]);
        let seen = &reply.json()["headers"]["x-kong-request-id"];
        let id = reply.field("X-Kong-Request-Id").expect("a request id");
        assert_eq!(seen[0], if sent { id } else { "of the client" }, "headers_upstream = {value}");
        assert_eq!(seen.as_array().map(Vec::len), Some(1));
        assert_eq!(reply.json()["headers"]["via"][0], "1.1 kong/3.9.3");
    }
}

#[test]
fn the_admin_api_follows_headers_too() {
    for (headers, server, latency) in [
        ("server_tokens, latency_tokens", true, true),
        ("server_tokens", true, false),
        ("Server", true, false),
        ("latency_tokens", false, true),
        ("X-Kong-Admin-Latency", false, true),
        ("off", false, false),
    ] {
        let gateway = start(headers);
        let reply = get(gateway.admin, "/", &[]);
        assert_eq!(reply.field("Server").is_some(), server, "headers = {headers}");
        assert_eq!(reply.field("X-Kong-Admin-Latency").is_some(), latency, "headers = {headers}");
    }
}
