//! Which plugins run for a request, in which order, and what is left when one of them ends it.

use crate::support::{Gateway, Setup, Upstream, free_port, get, request};
use std::fs;

fn start(services: &str) -> Gateway {
    let upstream = Upstream::start();
    Setup::declarative(format!("_format_version: '3.0'\n{services}").replace("UPSTREAM", &upstream.url()))
        .start()
}

/// A `response-transformer` that marks the response with its scope.
fn mark(scope: &str, indent: &str) -> String {
    format!(
        "{indent}- name: response-transformer\n{indent}  config: {{add: {{headers: ['X-Scope:{scope}']}}}}\n"
    )
}

#[test]
fn the_most_specific_configuration_of_a_plugin_wins() {
    // Scopes from the strongest to the weakest; each round leaves out the strongest that is left.
    let scopes = [
        "route+service+consumer",
        "route+consumer",
        "service+consumer",
        "route+service",
        "consumer",
        "route",
        "service",
        "global",
    ];
    for left_out in 0..scopes.len() {
        let mut plugins = String::new();
        for scope in scopes.iter().skip(left_out) {
            plugins.push_str(&mark(scope, ""));
            for part in ["route", "service", "consumer"] {
                if scope.contains(part) {
                    plugins.push_str(&format!("  {part}: the-{part}\n"));
                }
            }
        }
        let gateway = start(&format!(
            "services:
- name: the-service
  url: UPSTREAM
  routes:
  - {{name: the-route, paths: [/]}}
consumers:
- username: the-consumer
  keyauth_credentials: [{{key: k}}]
plugins:
- name: key-auth
{plugins}"
        ));
        let reply = get(gateway.proxy, "/", &[("apikey", "k")]);
        assert_eq!(reply.field("X-Scope"), Some(scopes[left_out]), "{}", reply.text());
    }
}

#[test]
fn configurations_of_other_scopes_do_not_run() {
    let gateway = start(&format!(
        "services:
- name: one
  url: UPSTREAM
  routes:
  - {{name: a, paths: [/a]}}
  - name: b
    paths: [/b]
    plugins:
{}- name: two
  url: UPSTREAM
  routes:
  - {{name: c, paths: [/c]}}
  plugins:
{}consumers:
- username: bob
  plugins:
{}",
        mark("b", "    "),
        mark("two", "  "),
        mark("bob", "  ")
    ));
    for (path, scope) in [("/a", None), ("/b", Some("b")), ("/c", Some("two"))] {
        assert_eq!(get(gateway.proxy, path, &[]).field("X-Scope"), scope, "{path}");
    }
}

#[test]
fn a_disabled_plugin_does_not_run() {
    let gateway = start(
        "services:
- url: UPSTREAM
  routes: [{paths: [/]}]
  plugins:
  - {name: request-termination, enabled: false}
",
    );
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}

#[test]
fn global_plugins_see_requests_that_match_no_route() {
    let gateway = start(
        "plugins:
- name: post-function
  config: {rewrite: ['kong.ctx.shared.seen = \"rewrite\"'], header_filter: ['kong.response.set_header(\"X-Seen\", tostring(kong.ctx.shared.seen))'], log: ['kong.log.notice(\"logged \", kong.response.get_status(), \" \", kong.response.get_source())']}
",
    );
    let reply = get(gateway.proxy, "/none", &[]);
    assert_eq!((reply.status, reply.field("X-Seen")), (404, Some("rewrite")));
    gateway.wait_for_log("logged 404 exit");
    let reply = get(gateway.proxy, &format!("/{}", "a".repeat(10_000)), &[]);
    assert_eq!((reply.status, reply.field("Server")), (414, Some("kong/3.9.3")));
    gateway.wait_for_log("logged 414 error");
}

#[test]
fn a_plugin_that_throws_ends_the_request_with_a_500_and_a_traceback() {
    let gateway = start(
        "services:
- url: UPSTREAM
  routes: [{name: r, paths: [/]}]
  plugins:
  - name: pre-function
    config: {access: ['error(\"thrown on purpose\")'], log: ['kong.log.notice(\"source: \", kong.response.get_source())']}
  - name: response-transformer
    config: {add: {headers: ['X-Filtered:yes']}}
  - name: post-function
    config: {access: ['kong.log.notice(\"access of post-function\")']}
",
    );
    let reply = get(gateway.proxy, "/", &[("Accept", "text/html")]);
    assert_eq!((reply.status, reply.reason.as_str()), (500, "Internal Server Error"));
    assert!(reply.text().contains("<p>An unexpected error occurred.</p>"), "{}", reply.text());
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.field("X-Kong-Upstream-Latency"), None);
    assert_eq!(reply.field("X-Filtered"), Some("yes"));
    assert!(reply.field("X-Kong-Response-Latency").is_some());
    gateway.wait_for_log("thrown on purpose");
    gateway.wait_for_log("stack traceback:");
    gateway.wait_for_log("source: error");
    assert!(!gateway.error_log().contains("access of post-function"));
}

#[test]
fn exit_ends_the_request_in_each_phase_that_allows_it() {
    // Phase, whether the upstream answered before.
    for (phase, code) in [("rewrite", 418), ("access", 418), ("header_filter", 418)] {
        let place = if phase == "rewrite" { "" } else { "  " };
        let plugin = format!(
            "{place}plugins:
{place}- name: pre-function
{place}  config:
{place}    {phase}: ['kong.response.exit({code}, {{a = 1}}, {{[\"X-Mine\"] = \"yes\"}})']
{place}    log: ['kong.log.notice(\"status \", kong.response.get_status())']
"
        );
        let gateway =
            start(&format!("services:\n- url: UPSTREAM\n  routes: [{{name: r, paths: [/]}}]\n{plugin}"));
        let reply = get(gateway.proxy, "/", &[]);
        assert_eq!((reply.status, reply.text().as_str()), (code, "{\"a\":1}"), "{phase}");
        assert_eq!(reply.field("Content-Length"), Some("7"), "{phase}");
        assert_eq!(reply.field("X-Mine"), Some("yes"), "{phase}");
        gateway.wait_for_log(&format!("status {code}"));
    }
}

#[test]
fn after_an_exit_no_more_access_runs_but_the_later_phases_do() {
    let gateway = start(
        "services:
- url: UPSTREAM
  routes: [{name: r, paths: [/]}]
  plugins:
  - name: pre-function
    config: {access: ['kong.response.exit(200, \"short\")']}
  - name: request-termination
    config: {status_code: 500}
  - name: post-function
    config:
      access: ['kong.log.notice(\"access of post-function\")']
      header_filter: ['kong.response.set_header(\"X-Filtered\", \"yes\") kong.response.clear_header(\"Content-Length\")']
      body_filter: ['local c = ngx.arg[1] if c and c ~= \"\" then ngx.arg[1] = c:upper() end']
      log: ['kong.log.notice(\"log of post-function\")']
",
    );
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!((reply.status, reply.text().as_str(), reply.field("X-Filtered")), (200, "SHORT", Some("yes")));
    gateway.wait_for_log("log of post-function");
    assert!(!gateway.error_log().contains("access of post-function"));
}

#[test]
fn after_ngx_exit_only_the_plugins_that_ran_filter_and_log() {
    let gateway = start(
        "services:
- url: UPSTREAM
  routes: [{name: r, paths: [/]}]
  plugins:
  - name: pre-function
    config:
      access: ['local e = kong.request.get_query_arg(\"end\") if e then ngx.exit(tonumber(e)) end']
      header_filter: ['kong.response.set_header(\"X-First\", \"yes\")']
      log: ['kong.log.notice(\"log of pre-function\")']
  - name: post-function
    config:
      access: ['kong.log.notice(\"access of post-function\")']
      header_filter: ['kong.response.set_header(\"X-Last\", \"yes\")']
      log: ['kong.log.notice(\"log of post-function\")']
- url: UPSTREAM
  routes: [{name: c, paths: [/c]}]
  plugins:
  - name: pre-function
    config:
      access: ['kong.client.authenticate(kong.client.load_consumer(\"bob\", true), {id = \"x\"})']
  - name: request-transformer
    config: {}
  - name: post-function
    config:
      access: ['ngx.exit(204)']
      header_filter: ['kong.response.set_header(\"X-First\", \"yes\")']
consumers:
- username: bob
  plugins:
  - name: response-transformer
    config: {add: {headers: ['X-Bob:yes']}}
",
    );
    let marks = |path: &str| {
        let reply = get(gateway.proxy, path, &[]);
        (reply.status, reply.field("X-First").is_some(), reply.field("X-Last").is_some())
    };
    for status in [403, 200, 204] {
        assert_eq!(marks(&format!("/?end={status}")), (status, true, false), "{status}");
    }
    gateway.wait_for_log("log of pre-function");
    assert!(!gateway.error_log().contains("of post-function"));
    assert_eq!(marks("/"), (200, true, true), "the next request has all of them");
    gateway.wait_for_log("log of post-function");
    let reply = get(gateway.proxy, "/c", &[]);
    assert_eq!((reply.status, reply.field("X-First"), reply.field("X-Bob")), (204, Some("yes"), Some("yes")));
}

#[test]
fn plugins_see_the_errors_of_the_proxy() {
    let dead = free_port();
    let gateway = start(&format!(
        "services:
- url: http://127.0.0.1:{dead}
  retries: 0
  routes: [{{name: r, paths: [/dead]}}]
plugins:
- name: file-log
  config: {{path: /tmp/spec-{dead}.log}}
- name: post-function
  config:
    header_filter: ['kong.response.set_header(\"X-Source\", kong.response.get_source())']
"
    ));
    let reply = request(gateway.proxy, "POST", "/dead?x=1", &[("Host", "a.test")], b"body");
    assert_eq!((reply.status, reply.field("X-Source")), (502, Some("error")));
    let file = format!("/tmp/spec-{dead}.log");
    gateway.eventually("the log line", |_| fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let line: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
    let _ = fs::remove_file(&file);
    assert_eq!(line["request"]["method"], "POST");
    assert_eq!(line["request"]["uri"], "/dead?x=1");
    assert_eq!(line["response"]["status"], 502);
    assert_eq!(line["route"]["name"], "r");
    assert_eq!(line["tries"][0]["port"], dead);
    assert_eq!(line["request"]["headers"]["host"], "a.test");
}

#[test]
fn a_route_without_service_runs_its_plugins_and_then_is_a_503() {
    let gateway = start(
        "routes:
- name: r
  paths: [/]
  plugins:
  - name: post-function
    config: {access: ['kong.response.set_header(\"X-Ran\", \"1\")']}
- name: t
  paths: [/t]
  plugins:
  - name: request-termination
    config: {status_code: 201, message: made}
",
    );
    let reply = get(gateway.proxy, "/", &[]);
    assert_eq!(
        (reply.status, reply.json()["message"].as_str()),
        (503, Some("no Service found with those values"))
    );
    assert_eq!(reply.field("X-Ran"), Some("1"));
    assert_eq!(get(gateway.proxy, "/t", &[]).text(), "{\"message\":\"made\"}");
}
