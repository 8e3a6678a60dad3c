//! Which route a request takes, as its upstream's path shows.

use crate::support::{Connection, Gateway, Setup, Upstream, request};

/// A gateway whose routes each lead to a service path of the route's own name.
fn start(flavor: &str, routes: &[(&str, &str)]) -> Gateway {
    let url = Upstream::start().url();
    let services: String = routes
        .iter()
        .map(|(name, route)| {
            format!("- name: {name}\n  url: {url}/{name}\n  routes:\n  - {{name: r-{name}, strip_path: false, {route}}}\n")
        })
        .collect();
    Setup::declarative(format!("_format_version: '3.0'\nservices:\n{services}"))
        .with("router_flavor", flavor)
        .start()
}

/// The name of the service a request came to; the status where it came to none.
fn taken(gateway: &Gateway, method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let reply = request(gateway.proxy, method, path, fields, b"");
    if reply.status != 200 {
        return reply.status.to_string();
    }
    let uri = reply.json()["uri"].as_str().unwrap_or_default().to_string();
    uri.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default().to_string()
}

/// Method, target, field lines, and the route that takes it.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn requests_take_the_route_that_says_most_about_them() {
    let routes = [
        ("catchall", "paths: [/]"),
        ("post", "methods: [POST]"),
        ("foo", "paths: [/foo]"),
        ("foobar", "paths: [/foo/bar]"),
        ("regex", "paths: ['~/foo/\\d+$']"),
        ("strong", "paths: ['~/foo/9\\d+$'], regex_priority: 5"),
        ("host", "hosts: [a.test]"),
        ("hostpath", "hosts: [a.test], paths: [/foo]"),
        ("wild", "hosts: ['*.wild.test'], paths: [/other]"),
        ("exact", "hosts: [www.wild.test], paths: [/other]"),
        ("port", "hosts: ['p.test:8080']"),
        ("version1", "headers: {version: [v1, v2]}"),
        ("version3", "headers: {version: [v3], location: [us]}"),
        ("pattern", "headers: {agent: ['~*^x-\\d+$']}"),
    ];
    let table: [Row; 21] = [
        ("GET", "/", &[], "catchall"),
        ("GET", "/other", &[], "catchall"),
        ("GET", "/foo", &[], "foo"),
        ("GET", "/foo/x", &[], "foo"),
        ("GET", "/foo/bar/x", &[], "foobar"),
        ("GET", "/foo/12", &[], "regex"),
        ("GET", "/foo/91", &[], "strong"),
        ("GET", "/foo/12/x", &[], "foo"),
        ("GET", "/other", &[("Host", "a.test")], "host"),
        ("GET", "/foo/bar", &[("Host", "a.test")], "hostpath"),
        ("GET", "/other", &[("Host", "x.wild.test")], "wild"),
        ("GET", "/other", &[("Host", "www.wild.test")], "exact"),
        ("GET", "/other", &[("Host", "wild.test")], "catchall"),
        ("GET", "/other", &[("Host", "p.test:8080")], "port"),
        ("GET", "/other", &[("Host", "a.test:99")], "host"),
        ("GET", "/other", &[("Version", "v1")], "version1"),
        ("GET", "/other", &[("VERSION", "V2")], "version1"),
        ("GET", "/other", &[("version", "v3")], "catchall"),
        ("GET", "/other", &[("version", "v3"), ("location", "us")], "version3"),
        ("GET", "/other", &[("Agent", "X-17")], "pattern"),
        ("GET", "/other", &[("Agent", "X-17b")], "catchall"),
    ];
    for flavor in ["traditional_compatible", "traditional"] {
        let gateway = start(flavor, &routes);
        for (method, path, fields, expected) in table {
            assert_eq!(
                taken(&gateway, method, path, fields),
                expected,
                "{flavor}: {method} {path} {fields:?}"
            );
        }
    }
}

#[test]
fn a_method_restricts_and_alone_it_is_enough() {
    let gateway = start(
        "traditional_compatible",
        &[("put", "methods: [PUT, OWN]"), ("get", "methods: [GET], paths: [/g]")],
    );
    for (method, path, expected) in [
        ("PUT", "/any", "put"),
        ("OWN", "/", "put"),
        ("GET", "/g", "get"),
        ("GET", "/any", "404"),
        ("POST", "/g", "404"),
    ] {
        assert_eq!(taken(&gateway, method, path, &[]), expected, "{method} {path}");
    }
}

#[test]
fn expressions_see_the_whole_request() {
    let gateway = start(
        "expressions",
        &[
            ("low", "expression: 'http.path ^= \"/\"', priority: 0"),
            ("high", "expression: 'http.path ^= \"/a\" && http.method == \"GET\"', priority: 10"),
            ("query", "expression: 'http.queries.v == \"1\"', priority: 20"),
            ("header", "expression: 'lower(http.headers.x_kind) == \"special\"', priority: 30"),
            ("top", "expression: 'http.path == \"/top\"', priority: 70368744177663"),
            ("regex", "expression: 'http.path ~ r#\"^/n/\\d+$\"#', priority: 5"),
        ],
    );
    let table: [Row; 9] = [
        ("GET", "/", &[], "low"),
        ("GET", "/a", &[], "high"),
        ("POST", "/a", &[], "low"),
        ("GET", "/a?v=1", &[], "query"),
        ("GET", "/a?v=2", &[], "high"),
        ("GET", "/a?v=1", &[("X-Kind", "SPECIAL")], "header"),
        ("GET", "/top?v=1", &[("X-Kind", "special")], "top"),
        ("GET", "/n/12", &[], "regex"),
        ("GET", "/n/12/x", &[], "low"),
    ];
    for (method, path, fields, expected) in table {
        assert_eq!(taken(&gateway, method, path, fields), expected, "{method} {path} {fields:?}");
    }
}

#[test]
fn http_1_0_needs_no_host_and_http_1_1_does() {
    let gateway = start("traditional_compatible", &[("all", "paths: [/]")]);
    for (head, status) in [("GET / HTTP/1.0\r\n\r\n", 200), ("GET / HTTP/1.1\r\n\r\n", 400)] {
        let mut connection = Connection::open(gateway.proxy);
        connection.write(head.as_bytes());
        assert_eq!(connection.reply(false).status, status, "{head}");
    }
}

#[test]
fn routes_of_disabled_services_are_not_there() {
    let url = Upstream::start().url();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- {{name: disabled, url: '{url}', enabled: false, routes: [{{paths: [/]}}]}}\n"
    ))
    .start();
    assert_eq!(taken(&gateway, "GET", "/", &[]), "404");
}
