//! Responses that plugins make, what filters see of them, and what the Admin API tells of the node.

use std::io::{Read, Write};

use crate::support::{Connection, Setup, Upstream, get, spawn_raw};

/// Each `body_filter` call logs what it got.
const FILTERS: &str = "header_filter: ['kong.response.set_header(\"X-Source\", kong.response.get_source()) kong.response.clear_header(\"Content-Length\")'], body_filter: ['kong.log.notice(\"piece <\", ngx.arg[1], \"> \", ngx.arg[2])']";

fn start(access: &str) -> crate::support::Gateway {
    let upstream = Upstream::start();
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes:
  - name: r
    paths: [/r]
    plugins:
    - name: post-function
      config: {{access: ['{access}'], {FILTERS}}}
  - {{name: plain, paths: [/]}}
plugins:
- name: post-function
  config: {{{FILTERS}}}
",
        upstream.url()
    ))
    .start()
}

#[test]
fn filters_see_an_own_body_and_then_its_end() {
    let gateway = start("kong.response.exit(200, \"whole\")");
    let reply = get(gateway.proxy, "/r", &[]);
    assert_eq!((reply.text().as_str(), reply.field("X-Source")), ("whole", Some("exit")));
    gateway.wait_for_log("piece <whole> false");
    gateway.wait_for_log("piece <> true");
}

#[test]
fn what_comes_behind_the_end_that_a_filter_sets_is_dropped() {
    let filter = "ngx.arg[1] = \"all\" ngx.arg[2] = true kong.log.notice(\"filtered once\")";
    let upstream = Upstream::start();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes: [{{name: r, paths: [/]}}]
  plugins:
  - name: post-function
    config:
      access: ['if kong.request.get_query_arg(\"own\") then kong.response.exit(200, \"own\") end']
      header_filter: ['kong.response.clear_header(\"Content-Length\")']
      body_filter: ['{filter}']
",
        upstream.url()
    ))
    .start();
    let mut connection = Connection::open(gateway.proxy);
    for path in ["/bytes/100000", "/?own=1", "/"] {
        assert_eq!(connection.get(path, &[]).text(), "all", "{path}");
    }
    assert_eq!(gateway.error_log().matches("filtered once").count(), 3);
}

/// What Kong 3.9.3 answered where a plugin ended a request with a status and no body: the type, and how the body
/// begins.
const BARE: [(u16, Option<&str>, &str); 22] = [
    (200, None, ""),
    (205, None, ""),
    (301, Some("text/html"), "<html>\r\n<head><title>301 Moved Permanently</title></head>"),
    (302, Some("text/html"), "<html>\r\n<head><title>302 Found</title></head>"),
    (403, Some("text/html; charset=UTF-8"), "<html>\r\n<head><title>403 Forbidden</title></head>"),
    (404, Some("text/plain; charset=utf-8"), "Not found\nrequest_id: "),
    (407, None, ""),
    (409, Some("text/html; charset=UTF-8"), "<html>\r\n<head><title>409 Conflict</title></head>"),
    (411, Some("text/plain; charset=utf-8"), "Length required\nrequest_id: "),
    (
        415,
        Some("text/html; charset=UTF-8"),
        "<html>\r\n<head><title>415 Unsupported Media Type</title></head>",
    ),
    (417, Some("text/plain; charset=utf-8"), "Expectation failed\nrequest_id: "),
    (421, Some("text/html; charset=UTF-8"), "<html>\r\n<head><title>421 Misdirected Request</title></head>"),
    (422, None, ""),
    (426, None, ""),
    (429, Some("text/html; charset=UTF-8"), "<html>\r\n<head><title>429 Too Many Requests</title></head>"),
    (431, None, ""),
    (451, None, ""),
    (504, Some("text/plain; charset=utf-8"), "The upstream server is timing out\nrequest_id: "),
    (
        505,
        Some("text/html; charset=UTF-8"),
        "<html>\r\n<head><title>505 HTTP Version Not Supported</title></head>",
    ),
    (507, Some("text/html; charset=UTF-8"), "<html>\r\n<head><title>507 Insufficient Storage</title></head>"),
    (511, None, ""),
    (599, None, ""),
];

#[test]
fn a_status_without_a_body_is_ended_as_kongs_nginx_ends_it() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes: [{{name: r, paths: [/]}}]
  plugins:
  - name: pre-function
    config: {{access: ['kong.response.exit(tonumber(kong.request.get_header(\"X-Status\")))']}}
",
        upstream.url()
    ))
    .start();
    for (status, content_type, body) in BARE {
        let reply = get(gateway.proxy, "/", &[("X-Status", &status.to_string())]);
        assert_eq!((reply.status, reply.field("Content-Type")), (status, content_type));
        assert!(
            reply.text().starts_with(body) && reply.body.is_empty() == body.is_empty(),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("openresty"), "{}", reply.text());
    }
    // These end the connection without a word.
    for status in [408, 444, 499] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.proxy)).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nX-Status: {status}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{status}: {read:?} {}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn a_connection_outlives_an_early_answer_to_a_long_body() {
    let gateway = start("kong.response.exit(413, \"too long\")");
    let mut connection = Connection::open(gateway.proxy);
    for _ in 0..2 {
        let reply = connection.request("POST", "/r", &[], &vec![b'x'; 900_000]);
        assert_eq!((reply.status, reply.field("Connection")), (413, Some("keep-alive")));
    }
    assert_eq!(connection.get("/plain", &[]).status, 200);
}

#[test]
fn ngx_exit_in_a_header_filter_replaces_the_response() {
    let code =
        "local status = kong.request.get_query_arg(\"exit\") if status then ngx.exit(tonumber(status)) end";
    let upstream = Upstream::start();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes: [{{name: r, paths: [/]}}]
  plugins:
  - name: post-function
    config:
      access: ['if kong.request.get_query_arg(\"own\") then kong.response.exit(200, \"own\") end']
      header_filter: ['{code}']
",
        upstream.url()
    ))
    .start();
    for origin in ["", "&own=1"] {
        let page = get(gateway.proxy, &format!("/?exit=403{origin}"), &[]);
        assert_eq!(page.status, 403);
        assert!(page.text().contains("Forbidden"), "{origin}: {}", page.text());
        let empty = get(gateway.proxy, &format!("/?exit=201{origin}"), &[]);
        assert_eq!((empty.status, empty.text().as_str()), (201, ""), "{origin}");
    }
    assert_eq!(get(gateway.proxy, "/", &[]).json()["method"], "GET");
}

#[test]
fn no_filter_sees_the_body_of_head() {
    let gateway =
        start("if kong.request.get_method() == \"HEAD\" then kong.response.exit(200, \"whole\") end");
    let mut connection = Connection::open(gateway.proxy);
    for path in ["/r", "/bytes/10"] {
        let reply = connection.request("HEAD", path, &[], b"");
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
    }
    assert_eq!(connection.get("/r", &[]).status, 200, "filters run for the others");
    gateway.wait_for_log("> true");
    assert_eq!(gateway.error_log().matches("> true").count(), 1);
}

#[test]
fn a_page_of_nginx_is_one_piece_and_no_response_of_a_plugin() {
    let gateway = start("ngx.exit(403)");
    let reply = get(gateway.proxy, "/r", &[]);
    assert_eq!((reply.status, reply.field("X-Source")), (403, Some("error")));
    gateway.wait_for_log("> true");
    assert!(!gateway.error_log().contains("> false"));
    assert!(!gateway.error_log().contains("piece <> true"));
}

#[test]
fn ngx_exit_and_ngx_say_are_not_kong_response_exit() {
    let gateway = start("if kong.request.get_query_arg(\"say\") then ngx.say(\"hi\") end ngx.exit(500)");
    let mut connection = Connection::open(gateway.proxy);
    let said = connection.get("/r?say", &[]);
    assert_eq!((said.status, said.field("X-Source"), said.text().as_str()), (200, Some("error"), "hi\n"));
    let page = connection.get("/r", &[]);
    assert_eq!((page.status, page.field("X-Source")), (500, Some("error")));
    assert_eq!(page.field("Connection"), Some("close"), "as after any error page of nginx's for this status");
}

#[test]
fn what_is_cut_off_is_noted() {
    let gateway = start(
        "ngx.req.get_headers(2) ngx.req.get_uri_args(1) ngx.decode_args(\"a=1&b=2\", 1) kong.response.exit(200)",
    );
    assert_eq!(get(gateway.proxy, "/r?a=1&b=2", &[("X-One", "1"), ("X-Two", "2")]).status, 200);
    for items in ["request headers", "uri args", "decode args"] {
        gateway.wait_for_log(&format!("{items} truncated"));
    }
}

/// As Kong 3.9.3 answered.
#[test]
fn the_lines_that_frame_a_response_are_told_beside_as_many_headers_as_asked_for() {
    let gateway = start(
        "kong.response.set_header(\"X-One\", 1) local all, cut = ngx.resp.get_headers(1) kong.response.exit(200, { one = all[\"x-one\"] or \"none\", connection = all.connection, cut = cut })",
    );
    let told = get(gateway.proxy, "/r", &[]).json();
    assert_eq!(
        (told["one"].as_str(), told["connection"].as_str(), told["cut"].as_str()),
        (Some("1"), Some("keep-alive"), Some("truncated"))
    );
}

#[test]
fn the_admin_api_tells_of_workers_and_refuses_too_many_arguments() {
    let gateway = Setup::declarative("_format_version: '3.0'\n")
        .with("nginx_worker_processes", "2")
        .with("admin_gui_url", "http://admin.test:9100/some/path")
        .start();
    let root = get(gateway.admin, "/", &[]);
    assert_eq!(root.field("Access-Control-Allow-Origin"), Some("http://admin.test:9100"));
    let pid = serde_json::json!(gateway.worker());
    assert_eq!(root.json()["pids"]["workers"], serde_json::json!([pid, pid]));
    let memory = &get(gateway.admin, "/status?unit=b", &[]).json()["memory"]["workers_lua_vms"];
    assert_eq!(memory.as_array().unwrap().len(), 2);
    assert!(memory[0]["http_allocated_gc"].as_u64().unwrap() > 100_000, "{memory}");
    let many = get(gateway.admin, &format!("/plugins?{}", "a=1&".repeat(1001)), &[]);
    assert_eq!((many.status, many.json()["message"].as_str()), (400, Some("Too many arguments")));
    let tags = get(gateway.admin, "/consumers?tags=%ff", &[]).json();
    assert_eq!(tags["message"], "invalid option (tags: invalid filter syntax)");
}

#[test]
fn the_admin_api_tells_of_timers_that_plugins_started() {
    let gateway = Setup::declarative(
        r#"
_format_version: "3.0"
routes: [{ name: timed, paths: [/] }]
plugins:
- name: pre-function
  config:
    access: ["kong.timer:named_every('mine', 60, function() end) kong.response.exit(200)"]
"#,
    )
    .with("nginx_main_worker_processes", "1")
    .with("untrusted_lua", "on")
    .start();
    let timers = || get(gateway.admin, "/timers", &[]).json();
    assert_eq!(timers()["worker"], serde_json::json!({"id": 0, "count": 1}));
    assert!(timers()["stats"]["timers"].get("mine").is_none());
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
    assert!(timers()["stats"]["timers"].get("mine").is_some(), "{}", timers());
}

/// What Kong 3.9.3 made of an upstream's head that it read whole, and of a `Via` that a filter changed.
#[test]
fn the_head_of_a_response_that_is_read_whole_is_set_anew() {
    let counted = spawn_raw(b"HTTP/1.1 200 Foo\r\nX_Odd: u\r\nVia: 1.0 u\r\nContent-Length: 2\r\n\r\nhi");
    let chunked = spawn_raw(b"HTTP/1.1 200 Foo\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let services: String = [("counted", counted), ("chunked", chunked)]
        .iter()
        .map(|(name, port)| {
            format!(
                "- url: http://127.0.0.1:{port}
  routes:
  - name: {name}
    paths: [/{name}]
    plugins:
    - name: post-function
      config:
        access: ['kong.service.request.enable_buffering()']
        header_filter: ['ngx.header[\"Via\"] = \"1.1 mine\"']
"
            )
        })
        .collect();
    let gateway = Setup::declarative(format!("_format_version: '3.0'\nservices:\n{services}")).start();
    let reply = get(gateway.proxy, "/counted", &[]);
    assert_eq!((reply.text().as_str(), reply.reason.as_str()), ("hi", "OK"));
    let fields =
        ["X-Odd", "X_Odd", "Content-Length", "Transfer-Encoding", "Via"].map(|name| reply.field(name));
    assert_eq!(fields, [Some("u"), None, Some("2"), None, Some("1.0 u, 1.1 kong/3.9.3")]);
    let reply = get(gateway.proxy, "/chunked", &[]);
    assert_eq!(reply.text(), "hi");
    let fields = ["Content-Length", "Transfer-Encoding", "Via"].map(|name| reply.field(name));
    assert_eq!(fields, [None, Some("chunked"), Some("1.1 kong/3.9.3")]);
}

#[test]
fn a_success_that_code_exits_with_sends_the_status_it_has_set() {
    for (code, status) in [
        ("ngx.status = 418 ngx.exit(200)", 418),
        ("ngx.status = 410 ngx.say(\"gone\") ngx.exit(ngx.HTTP_OK)", 410),
        ("ngx.status = 418 ngx.exit(503)", 503),
        ("ngx.exit(201)", 201),
    ] {
        assert_eq!(get(start(code).proxy, "/r", &[]).status, status, "{code}");
    }
}
