//! request-transformer, response-transformer, file-log and the functions, as clients and upstreams
//! see them.

use crate::support::{Gateway, Setup, Upstream, free_port, get, request, spawn_raw};
use serde_json::{Value, json};
use std::fs;

/// A gateway with one route `/name` for each plugin configuration.
fn start(url: &str, plugin: &str, configs: &[(&str, &str)]) -> Gateway {
    let mut text = format!("_format_version: '3.0'\nservices:\n- url: {url}\n  routes:\n");
    for (name, config) in configs {
        text.push_str(&format!(
            "  - name: {name}\n    paths: [/{name}, '~/{name}/user/(?<who>\\w+)']\n    plugins:\n    - name: {plugin}\n      config: {{{config}}}\n"
        ));
    }
    Setup::declarative(text).start()
}

fn first<'a>(seen: &'a Value, name: &str) -> &'a str {
    seen["headers"][name][0].as_str().unwrap_or("-")
}

#[test]
fn request_transformer_changes_headers_query_method_and_path() {
    let gateway = start(
        &Upstream::start().url(),
        "request-transformer",
        &[
            ("remove", "remove: {headers: [h1, h2], querystring: [q1]}"),
            ("rename", "rename: {headers: ['h1:n1', 'h2:n2'], querystring: ['q1:p1']}"),
            (
                "replace",
                "replace: {headers: ['h1:new', 'hx:new'], querystring: ['q1:new', 'qx:new'], uri: /changed}",
            ),
            ("add", "add: {headers: ['h1:new', 'hx:new'], querystring: ['q1:new', 'qx:new']}"),
            ("append", "append: {headers: ['h1:new', 'hx:new'], querystring: ['q1:new', 'qx:new']}"),
            ("method", "http_method: POST"),
            (
                "template",
                "add: {headers: ['x-h:$(headers.h1)', 'x-q:$(query_params.q1)', 'x-u:$(uri_captures[\"who\"])', 'x-c:$(shared.none or \"nothing\")']}",
            ),
            ("host", "replace: {headers: ['host:changed.test']}"),
        ],
    );
    let ask =
        |path: &str| get(gateway.proxy, &format!("{path}?q1=a&q2=b"), &[("h1", "one"), ("h2", "two")]).json();
    // Path, the query the upstream sees, then headers it sees.
    for (path, uri, headers) in [
        ("/remove", "/?q2=b", vec![("h1", "-"), ("h2", "-")]),
        ("/rename", "/?p1=a&q2=b", vec![("h1", "-"), ("n1", "one"), ("n2", "two")]),
        ("/replace", "/changed?q1=new&q2=b", vec![("h1", "new"), ("hx", "-")]),
        ("/add", "/?q1=a&q2=b&qx=new", vec![("h1", "one"), ("hx", "new")]),
        ("/append", "/?q1=a&q1=new&q2=b&qx=new", vec![("h1", "one"), ("hx", "new")]),
        ("/host", "/?q1=a&q2=b", vec![("host", "changed.test")]),
        (
            "/template/user/eve",
            "/?q1=a&q2=b",
            vec![("x-h", "one"), ("x-q", "a"), ("x-u", "eve"), ("x-c", "nothing")],
        ),
    ] {
        let seen = ask(path);
        let (base, query) = seen["uri"].as_str().and_then(|uri| uri.split_once('?')).expect("a query");
        let mut pairs: Vec<_> = query.split('&').collect();
        pairs.sort_unstable();
        assert_eq!(format!("{base}?{}", pairs.join("&")), uri, "{path}");
        for (name, value) in headers {
            assert_eq!(first(&seen, name), value, "{path} {name}");
        }
    }
    assert_eq!(ask("/append")["headers"]["h1"], json!(["one", "new"]));
    assert_eq!(ask("/method")["method"], "POST");
}

#[test]
fn request_transformer_changes_bodies() {
    let gateway = start(
        &Upstream::start().url(),
        "request-transformer",
        &[
            ("remove", "remove: {body: [a]}"),
            ("rename", "rename: {body: ['a:z']}"),
            ("replace", "replace: {body: ['a:new', 'n:new']}"),
            ("add", "add: {body: ['a:new', 'n:new']}"),
            ("append", "append: {body: ['a:new', 'n:new']}"),
        ],
    );
    for (path, expected) in [
        ("/remove", json!({"b": "2"})),
        ("/rename", json!({"z": "1", "b": "2"})),
        ("/replace", json!({"a": "new", "b": "2"})),
        ("/add", json!({"a": "1", "b": "2", "n": "new"})),
        ("/append", json!({"a": ["1", "new"], "b": "2", "n": ["new"]})),
    ] {
        let fields = [("Content-Type", "application/json")];
        let seen = request(gateway.proxy, "POST", path, &fields, b"{\"a\":\"1\",\"b\":\"2\"}").json();
        let body = seen["body"].as_str().unwrap_or_default();
        assert_eq!(serde_json::from_str::<Value>(body).expect("JSON"), expected, "{path}");
        assert_eq!(first(&seen, "content-length"), body.len().to_string(), "{path}");
    }
    let fields = [("Content-Type", "application/x-www-form-urlencoded")];
    let seen = request(gateway.proxy, "POST", "/remove", &fields, b"a=1&b=2").json();
    assert_eq!(seen["body"], "b=2");
    let fields = [("Content-Type", "text/plain")];
    let seen = request(gateway.proxy, "POST", "/remove", &fields, b"a=1&b=2").json();
    assert_eq!(seen["body"], "a=1&b=2");
}

#[test]
fn response_transformer_changes_headers_and_json() {
    let port = spawn_raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nh1: one\r\nh2: two\r\nh2: three\r\nContent-Length: 17\r\n\r\n{\"a\":\"1\",\"b\":[1]}",
    );
    let gateway = start(
        &format!("http://127.0.0.1:{port}"),
        "response-transformer",
        &[
            ("remove", "remove: {headers: [h1, 'h2:two'], json: [a]}"),
            ("rename", "rename: {headers: ['h1:n1'], json: ['a:z']}"),
            ("replace", "replace: {headers: ['h1:new', 'hx:new'], json: ['a:new', 'n:new']}"),
            ("add", "add: {headers: ['h1:new', 'hx:new'], json: ['a:new', 'n:new']}"),
            ("append", "append: {headers: ['h1:new', 'hx:new'], json: ['b:new', 'n:new']}"),
            ("typed", "add: {json: ['n:2', 't:true'], json_types: [number, boolean]}"),
        ],
    );
    for (path, body, headers) in [
        ("/remove", json!({"b": [1]}), vec![("h1", vec![]), ("h2", vec![])]),
        ("/rename", json!({"z": "1", "b": [1]}), vec![("h1", vec![]), ("n1", vec!["one"])]),
        ("/replace", json!({"a": "new", "b": [1]}), vec![("h1", vec!["new"]), ("hx", vec![])]),
        ("/add", json!({"a": "1", "b": [1], "n": "new"}), vec![("h1", vec!["one"]), ("hx", vec!["new"])]),
        (
            "/append",
            json!({"a": "1", "b": [1, "new"], "n": ["new"]}),
            vec![("h1", vec!["one", "new"]), ("hx", vec!["new"])],
        ),
        ("/typed", json!({"a": "1", "b": [1], "n": 2, "t": true}), vec![("h2", vec!["two", "three"])]),
    ] {
        let reply = get(gateway.proxy, path, &[]);
        assert_eq!(reply.json(), body, "{path}");
        for (name, values) in headers {
            let seen: Vec<_> = reply
                .fields
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.as_str())
                .collect();
            assert_eq!(seen, values, "{path} {name}");
        }
    }
}

#[test]
fn file_log_tells_what_each_try_came_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("requests.log");
    let dead = format!("http://127.0.0.1:{}", free_port());
    let gateway = start(&dead, "file-log", &[("logged", &format!("path: {}", file.display()))]);
    assert_eq!(get(gateway.proxy, "/logged", &[]).status, 502);
    let lines = || fs::read_to_string(&file).unwrap_or_default();
    gateway.eventually("a line", |_| lines().lines().count() == 1);
    let line: Value = serde_json::from_str(&lines()).expect("JSON");
    assert_eq!(line["upstream_status"], "502, 502, 502, 502, 502, 502");
    assert_eq!(line["tries"].as_array().map(Vec::len), Some(6));
}

#[test]
fn file_log_writes_one_json_line_for_each_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("requests.log");
    let config = format!("path: {}, custom_fields_by_lua: {{mine: 'return \"of lua\"'}}", file.display());
    let gateway = start(&Upstream::start().url(), "file-log", &[("logged", &config)]);
    for number in 0..3 {
        let reply = get(
            gateway.proxy,
            &format!("/logged/status/20{number}?n={number}"),
            &[("Authorization", "secret"), ("X-A", "b")],
        );
        let id = reply.field("X-Kong-Request-Id").expect("a request id").to_string();
        let lines = || fs::read_to_string(&file).unwrap_or_default();
        gateway.eventually("a line", |_| lines().lines().count() == number + 1);
        let line: Value = serde_json::from_str(lines().lines().last().expect("a line")).expect("JSON");
        assert_eq!(line["request"]["id"], id);
        assert_eq!(line["request"]["uri"], format!("/logged/status/20{number}?n={number}"));
        assert_eq!(line["request"]["querystring"]["n"], number.to_string());
        assert_eq!(
            line["request"]["url"],
            format!("http://localhost:{}/logged/status/20{number}?n={number}", gateway.proxy)
        );
        assert_eq!(line["request"]["headers"]["authorization"], "REDACTED");
        assert_eq!(line["request"]["headers"]["x-a"], "b");
        assert_eq!(line["response"]["status"], 200 + number);
        assert_eq!(line["upstream_uri"], format!("/status/20{number}?n={number}"));
        assert_eq!(line["upstream_status"], format!("20{number}"));
        assert_eq!(line["client_ip"], "127.0.0.1");
        assert_eq!(line["route"]["name"], "logged");
        for entity in ["route", "service"] {
            assert_eq!(line[entity]["ws_id"], line["workspace"]);
        }
        assert_eq!(line["response"]["headers"]["connection"], "close");
        assert_eq!(line["mine"], "of lua");
        assert_eq!(line["tries"].as_array().map(Vec::len), Some(1));
        for name in ["request", "proxy", "kong"] {
            assert!(line["latencies"][name].is_number(), "{line}");
        }
        assert!(line["started_at"].is_number() && line["workspace"].is_string(), "{line}");
    }
}

#[test]
fn functions_run_before_and_after_the_other_plugins_in_each_phase() {
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes: [{{name: r, paths: [/]}}]
  plugins:
  - name: pre-function
    config:
      access:
      - 'kong.ctx.shared.trail = \"pre\"'
      - 'local count = 0 return function() count = count + 1 kong.ctx.shared.trail = kong.ctx.shared.trail .. count end'
      header_filter: ['kong.response.set_header(\"X-Order\", \"pre\")']
  - name: correlation-id
  - name: post-function
    config:
      access: ['kong.service.request.set_header(\"X-Trail\", kong.ctx.shared.trail .. \",\" .. tostring(kong.request.get_header(\"Kong-Request-ID\") ~= nil))']
      header_filter: ['kong.response.set_header(\"X-Order\", kong.response.get_header(\"X-Order\") .. \",post\") kong.response.clear_header(\"Content-Length\")']
      body_filter: ['local body = kong.response.get_raw_body() if body then kong.response.set_raw_body(#body .. \" bytes\") end']
      log: ['kong.log.notice(\"size \", kong.response.get_header(\"Content-Length\"))']
",
        Upstream::start().url()
    ))
    .with("nginx_main_worker_processes", "1")
    .start();
    let reply = get(gateway.proxy, "/bytes/100000", &[]);
    assert_eq!((reply.field("X-Order"), reply.text().as_str()), (Some("pre,post"), "100000 bytes"));
    assert_eq!(reply.field("Transfer-Encoding"), Some("chunked"));
    gateway.wait_for_log("size nil");
}

#[test]
fn functions_cannot_reach_out_of_the_sandbox_by_default() {
    let gateway = start(
        &Upstream::start().url(),
        "pre-function",
        &[
            ("io", "access: ['io.popen(\"true\")']"),
            ("os", "access: ['os.execute(\"true\")']"),
            ("require", "access: ['require(\"kong.tools.uuid\")']"),
            ("time", "access: ['kong.response.exit(200, tostring(os.time() > 0))']"),
        ],
    );
    for path in ["/io", "/os", "/require"] {
        assert_eq!(get(gateway.proxy, path, &[]).status, 500, "{path}");
    }
    gateway.wait_for_log("require 'kong.tools.uuid' not allowed within sandbox");
    assert_eq!(get(gateway.proxy, "/time", &[]).text(), "true");
}
