//! From the path a client asks for to the one the upstream sees.

use crate::support::{Gateway, Setup, Upstream, get};
use serde_json::json;

fn start(upstream: &Upstream, routes: &str) -> Gateway {
    Setup::declarative(
        format!("_format_version: '3.0'\nservices:\n{routes}").replace("UPSTREAM", &upstream.url()),
    )
    .start()
}

fn seen(gateway: &Gateway, path: &str) -> String {
    let reply = get(gateway.proxy, path, &[]);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()["uri"].as_str().unwrap_or_default().to_string()
}

#[test]
fn the_path_goes_upstream_normalized_and_escaped_the_query_as_it_is() {
    let upstream = Upstream::start();
    let gateway = start(
        &upstream,
        "- url: UPSTREAM
  routes:
  - {name: whole, paths: [/request], strip_path: false}
  - {name: cut, paths: [/cut]}
  - {name: accents, paths: ['/\u{e9}t\u{e9}'], strip_path: false}
",
    );
    for (asked, expected) in [
        (
            "/request?limit=25&where=%7B%22or%22:%5B%7B%22%25bac%25",
            "/request?limit=25&where=%7B%22or%22:%5B%7B%22%25bac%25",
        ),
        ("/request?param=1.2.3", "/request?param=1.2.3"),
        ("/request?param=abc%7Cdef", "/request?param=abc%7Cdef"),
        ("/request?", "/request?"),
        ("/request??a", "/request??a"),
        ("/request?hello", "/request?hello"),
        ("/request?hello=&world=", "/request?hello=&world="),
        ("/request?a=/../b//c", "/request?a=/../b//c"),
        ("/request/foo%2Fbar", "/request/foo%2Fbar"),
        ("/request/auth%2f123", "/request/auth%2F123"),
        ("/cut/request/auth%2F123", "/request/auth%2F123"),
        ("/request/a%7Eb%41", "/request/a~bA"),
        ("/request/a%20b%3Fc%23d", "/request/a%20b%3Fc%23d"),
        ("/request/a%25b", "/request/a%25b"),
        ("/request/%E4%BD%A0", "/request/%E4%BD%A0"),
        ("/request/a|b\"c", "/request/a%7Cb%22c"),
        ("/request/a'b(c)*!;@:=+$,&", "/request/a'b(c)*!;@:=+$,&"),
        ("/x/../request/b", "/request/b"),
        ("/./request/./b/.", "/request/b/"),
        ("//request///b", "/request/b"),
        ("/request/b/..", "/request/"),
        ("/%72equest/b", "/request/b"),
        ("/request/%2e%2e/request", "/request"),
        ("/request/a%2Fb/../c", "/request/c"),
        ("/%C3%A9t%C3%A9", "/%C3%A9t%C3%A9"),
        ("http://other.test/request/a?b", "/request/a?b"),
    ] {
        assert_eq!(seen(&gateway, asked), expected, "{asked}");
    }
}

#[test]
fn the_matched_prefix_gives_way_to_the_services_path() {
    let upstream = Upstream::start();
    // Service path, route path, strip_path, asked, seen.
    let table = [
        ("", "/", true, "/", "/"),
        ("", "/foo", true, "/foo", "/"),
        ("", "/foo", true, "/foo/", "/"),
        ("", "/foo", true, "/foo/bar", "/bar"),
        ("", "/foo", true, "/foobar", "/bar"),
        ("", "/foo/", true, "/foo/bar", "/bar"),
        ("", "/foo", false, "/foo/bar", "/foo/bar"),
        ("/", "/foo", true, "/foo/bar", "/bar"),
        ("/base", "/", true, "/", "/base"),
        ("/base", "/", true, "/x", "/base/x"),
        ("/base", "/foo", true, "/foo", "/base"),
        ("/base", "/foo", true, "/foo/", "/base/"),
        ("/base", "/foo", true, "/foo/bar", "/base/bar"),
        ("/base", "/foo", true, "/foobar", "/base/bar"),
        ("/base", "/foo/", true, "/foo/bar", "/base/bar"),
        ("/base/", "/foo", true, "/foo", "/base"),
        ("/base/", "/foo", true, "/foo/", "/base/"),
        ("/base/", "/foo", true, "/foo/bar", "/base/bar"),
        ("/base/", "/foo", true, "/foobar", "/base/bar"),
        ("/base", "/foo", false, "/foo/bar", "/base/foo/bar"),
        ("/base/", "/foo", false, "/foo", "/base/foo"),
        ("/base", "~/foo/\\d+", true, "/foo/12/bar", "/base/bar"),
        ("/base", "~/foo/\\d+", true, "/foo/12", "/base"),
        ("/base", "~/foo/\\d+$", false, "/foo/12", "/base/foo/12"),
        ("", "~/f[o]+(?<rest>.*)", true, "/foo/12", "/"),
    ];
    let mut services = String::new();
    for (index, (base, path, strip, _, _)) in table.iter().enumerate() {
        services.push_str(&format!(
            "- url: UPSTREAM{base}\n  routes:\n  - {{name: r{index}, hosts: [h{index}.test], paths: ['{path}'], strip_path: {strip}}}\n"
        ));
    }
    let gateway = start(&upstream, &services);
    for (index, (base, path, strip, asked, expected)) in table.iter().enumerate() {
        let reply = get(gateway.proxy, asked, &[("Host", &format!("h{index}.test"))]);
        assert_eq!(reply.json()["uri"], *expected, "{base} + {path}, strip_path {strip}, asked {asked}");
    }
}

#[test]
fn the_traditional_router_honours_path_handling() {
    let upstream = Upstream::start();
    let table = [
        ("/base", "/foo", "v0", "/foobar", "/base/bar"),
        ("/base", "/foo", "v1", "/foobar", "/basebar"),
        ("/base", "/foo", "v1", "/foo/bar", "/base/bar"),
    ];
    let mut services = String::new();
    for (index, (base, path, handling, _, _)) in table.iter().enumerate() {
        services.push_str(&format!(
            "- url: {}{base}\n  routes:\n  - {{name: r{index}, hosts: [h{index}.test], paths: ['{path}'], path_handling: {handling}}}\n",
            upstream.url()
        ));
    }
    let gateway = Setup::declarative(format!("_format_version: '3.0'\nservices:\n{services}"))
        .with("router_flavor", "traditional")
        .start();
    for (index, (base, path, handling, asked, expected)) in table.iter().enumerate() {
        let reply = get(gateway.proxy, asked, &[("Host", &format!("h{index}.test"))]);
        assert_eq!(reply.json()["uri"], *expected, "{base} + {path} {handling}, asked {asked}");
    }
}

#[test]
fn a_route_for_https_alone_refuses_or_redirects_plain_requests() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes:
  - {{name: r426, hosts: [r426.test], protocols: [https]}}
  - {{name: r301, hosts: [r301.test], protocols: [https], https_redirect_status_code: 301}}
  - {{name: r302, hosts: [r302.test], protocols: [https], https_redirect_status_code: 302}}
  - {{name: r307, hosts: [r307.test], protocols: [https], https_redirect_status_code: 307}}
  - {{name: r308, hosts: [r308.test], protocols: [https], https_redirect_status_code: 308}}
  - {{name: plain, hosts: [plain.test], protocols: [http]}}
  - {{name: grpc, hosts: [grpc.test], protocols: [grpc]}}
",
        upstream.url()
    ))
    .with("trusted_ips", "127.0.0.1")
    .start();
    let reply = get(gateway.proxy, "/x?y=1", &[("Host", "r426.test")]);
    assert_eq!((reply.status, reply.reason.as_str()), (426, ""));
    assert_eq!(reply.json()["message"], "Please use HTTPS protocol");
    assert_eq!(reply.field("Upgrade"), Some("TLS/1.2, HTTP/1.1"));
    let connections = reply.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Connection"));
    let connections: Vec<&str> = connections.map(|(_, value)| value.as_str()).collect();
    assert!(matches!(connections[..], ["keep-alive" | "close", "Upgrade"]), "{connections:?}");
    for status in [301, 302, 307, 308] {
        let reply = get(gateway.proxy, "/x//%41?y=1", &[("Host", &format!("r{status}.test:8000"))]);
        assert_eq!(reply.status, status);
        assert_eq!(reply.field("Location"), Some(format!("https://r{status}.test/x//%41?y=1").as_str()));
        let title = if status == 302 { "302 Found".to_owned() } else { format!("{status} {}", reply.reason) };
        assert!(reply.text().contains(&format!("<center><h1>{title}</h1></center>")), "{}", reply.text());
        assert_eq!(reply.field("Content-Type").map(|value| &value[..9]), Some("text/html"));
    }
    let told = |host, proto| get(gateway.proxy, "/", &[("Host", host), ("X-Forwarded-Proto", proto)]).status;
    assert_eq!(told("r426.test", "https"), 200);
    assert_eq!(told("r426.test", "http"), 426);
    assert_eq!(told("r426.test", "nonsense"), 426);
    assert_eq!(told("plain.test", "http"), 200);
    let reply = get(gateway.proxy, "/", &[("Host", "grpc.test")]);
    assert_eq!(
        (reply.status, reply.json()["message"].as_str()),
        (415, Some("Non-gRPC request matched gRPC route"))
    );
    let reply = get(gateway.proxy, "/", &[("Host", "grpc.test"), ("Content-Type", "application/grpc")]);
    assert_eq!((reply.status, reply.field("Upgrade")), (426, Some("HTTP/2")));
    assert_eq!(reply.json()["message"], "Please use HTTP2 protocol");
}

#[test]
fn debug_fields_name_route_and_service_only_where_they_are_allowed() {
    let upstream = Upstream::start();
    let setup = || {
        Setup::declarative(format!(
            "_format_version: '3.0'\nservices:\n- name: the-service\n  url: {}\n  routes:\n  - {{name: the-route, paths: [/]}}\n",
            upstream.url()
        ))
    };
    let names = ["Kong-Route-Id", "Kong-Route-Name", "Kong-Service-Id", "Kong-Service-Name"];
    let silent = setup().start();
    let reply = get(silent.proxy, "/", &[("Kong-Debug", "1")]);
    assert!(names.iter().all(|name| reply.field(name).is_none()), "{reply:?}");
    let gateway = setup().with("allow_debug_header", "on").start();
    let reply = get(gateway.proxy, "/", &[("Kong-Debug", "1")]);
    assert_eq!(reply.field("Kong-Route-Name"), Some("the-route"));
    assert_eq!(reply.field("Kong-Service-Name"), Some("the-service"));
    assert_eq!(reply.field("Kong-Route-Id").map(str::len), Some(36));
    assert_eq!(reply.field("Kong-Service-Id").map(str::len), Some(36));
}

#[test]
fn the_uri_of_plugins_is_decoded_as_nginx_does_and_changing_it_moves_no_request() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(
        json!({
            "_format_version": "3.0",
            "services": [{ "url": upstream.url(), "routes": [{ "paths": ["/root"], "strip_path": false }] }],
            "plugins": [{ "name": "pre-function", "config": {
                "rewrite": ["kong.ctx.shared.uri = ngx.var.uri ngx.req.set_uri('/elsewhere')"],
                "header_filter": ["kong.response.set_header('X-Uri', kong.ctx.shared.uri .. ' ' .. ngx.var.uri)"],
            } }],
        })
        .to_string(),
    )
    .with("untrusted_lua", "on")
    .start();
    let reply = get(gateway.proxy, "/root/../%2e/root///././%2F.subdir/../a%20b/./%28%29?x=%28", &[]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.field("X-Uri"), Some("/root/a b/() /elsewhere"));
    assert_eq!(reply.json()["uri"], "/root/a%20b/%28%29?x=%28");
}
