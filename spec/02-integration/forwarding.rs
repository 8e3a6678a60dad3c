//! What the upstream learns about the client: forwarding fields, trust, the real address, and what
//! is kept from it.

use crate::support::{Connection, Setup, Upstream, get, spawn_raw};
use serde_json::Value;

fn setup(upstream: &Upstream) -> Setup {
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- name: s
  url: {}
  routes:
  - {{name: all, paths: [/]}}
  - {{name: stripped, paths: [/foo]}}
  - {{name: whole, paths: [/whole], strip_path: false}}
  - {{name: kept, hosts: [kept.test], preserve_host: true}}
",
        upstream.url()
    ))
}

fn first(seen: &Value, name: &str) -> String {
    seen["headers"][name][0].as_str().unwrap_or("-").to_string()
}

const NAMES: [&str; 7] = [
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-path",
    "x-forwarded-prefix",
];

const CLAIMED: [(&str, &str); 8] = [
    ("Host", "inspect.test"),
    ("X-Real-IP", "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "example.test"),
    ("X-Forwarded-Port", "80"),
    ("X-Forwarded-Path", "/original"),
    ("X-Forwarded-Prefix", "/given"),
];

fn forwarded(port: u16, path: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let seen = get(port, path, fields).json();
    NAMES.iter().map(|name| first(&seen, name)).collect()
}

#[test]
fn claims_are_believed_only_from_trusted_addresses() {
    let upstream = Upstream::start();
    for (trusted, believed) in [("", false), ("10.0.0.1", false), ("127.0.0.1", true), ("0.0.0.0/0", true)] {
        let setup = setup(&upstream);
        let gateway = if trusted.is_empty() { setup } else { setup.with("trusted_ips", trusted) }.start();
        let port = gateway.proxy.to_string();
        let own = ["127.0.0.1", "127.0.0.1", "http", "inspect.test", &port, "/foo/x", "/foo"];
        let seen = forwarded(gateway.proxy, "/foo/x?q", &[("Host", "inspect.test")]);
        assert_eq!(seen, own, "trusted_ips = {trusted}, nothing claimed");
        let seen = forwarded(gateway.proxy, "/foo/x?q", &CLAIMED);
        let expected = if believed {
            ["10.0.0.1", "10.0.0.1, 127.0.0.1", "https", "example.test", "80", "/original", "/given"]
        } else {
            ["127.0.0.1", "10.0.0.1, 127.0.0.1", "http", "inspect.test", &port, "/foo/x", "/foo"]
        };
        assert_eq!(seen, expected, "trusted_ips = {trusted}, all claimed");
    }
}

#[test]
fn the_prefix_is_told_only_when_something_was_stripped() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    for (path, prefix) in
        [("/foo/status/200", "/foo"), ("/whole", "-"), ("/other", "-"), ("/", "-"), ("/foo", "/foo")]
    {
        assert_eq!(first(&get(gateway.proxy, path, &[]).json(), "x-forwarded-prefix"), prefix, "{path}");
    }
}

#[test]
fn the_real_address_is_taken_from_the_configured_field() {
    let upstream = Upstream::start();
    let chain = "10.0.0.9, 10.0.0.1, 127.0.0.2, 192.168.0.1, 172.16.0.1";
    // real_ip_header, real_ip_recursive, trusted_ips, field sent, address found.
    let table = [
        ("X-Real-IP", "off", "127.0.0.1", ("X-Real-IP", "10.0.0.2"), "10.0.0.2"),
        ("X-Forwarded-For", "off", "127.0.0.1", ("X-Forwarded-For", chain), "172.16.0.1"),
        (
            "X-Forwarded-For",
            "on",
            "127.0.0.1,172.16.0.1,192.168.0.1",
            ("X-Forwarded-For", chain),
            "127.0.0.2",
        ),
        (
            "X-Forwarded-For",
            "on",
            "127.0.0.0/8,172.16.0.1,192.168.0.1",
            ("X-Forwarded-For", chain),
            "10.0.0.1",
        ),
        ("X-Forwarded-For", "on", "10.0.0.1", ("X-Forwarded-For", chain), "127.0.0.1"),
        ("X-Forwarded-For", "on", "0.0.0.0/0", ("X-Forwarded-For", chain), "10.0.0.9"),
        ("X-Mine", "off", "127.0.0.1", ("X-Mine", "10.1.2.3"), "10.1.2.3"),
        ("X-Real-IP", "off", "127.0.0.1", ("X-Real-IP", "not an address"), "127.0.0.1"),
        ("X-Real-IP", "off", "127.0.0.1", ("X-Real-IP", "10.0.0.2:77"), "10.0.0.2"),
    ];
    for (header, recursive, trusted, field, address) in table {
        let gateway = setup(&upstream)
            .with("real_ip_header", header)
            .with("real_ip_recursive", recursive)
            .with("trusted_ips", trusted)
            .start();
        let seen = get(gateway.proxy, "/", &[field]).json();
        assert_eq!(first(&seen, "x-real-ip"), address, "{header} {recursive} {trusted} {}", field.1);
        let peer =
            if field.0 == "X-Forwarded-For" { format!("{chain}, 127.0.0.1") } else { address.to_string() };
        if field.0 == "X-Forwarded-For" {
            assert_eq!(first(&seen, "x-forwarded-for"), peer);
        }
    }
}

#[test]
fn the_proxy_protocol_tells_the_real_address() {
    let upstream = Upstream::start();
    for (trusted, address) in [("127.0.0.1", "192.168.0.1"), ("10.0.0.1", "127.0.0.1")] {
        let port = crate::support::free_port();
        let gateway = setup(&upstream)
            .with("proxy_listen", format!("127.0.0.1:{port} proxy_protocol"))
            .with("real_ip_header", "proxy_protocol")
            .with("trusted_ips", trusted)
            .start();
        let _ = &gateway;
        let mut connection = Connection::open(port);
        connection.write(b"PROXY TCP4 192.168.0.1 10.0.0.7 56324 1111\r\n");
        let seen = connection.get("/", &[("X-Real-IP", "10.0.0.2")]).json();
        assert_eq!(first(&seen, "x-real-ip"), address, "trusted_ips = {trusted}");
        assert_eq!(first(&seen, "x-forwarded-port"), port.to_string(), "trusted_ips = {trusted}");
    }
}

#[test]
fn port_maps_change_the_forwarded_port() {
    let upstream = Upstream::start();
    let port = crate::support::free_port();
    let gateway = setup(&upstream)
        .with("proxy_listen", format!("127.0.0.1:{port}"))
        .with("port_maps", format!("80:{port}"))
        .start();
    let _ = &gateway;
    for claimed in ["81", "90"] {
        let seen = get(port, "/", &[("X-Forwarded-Port", claimed)]).json();
        assert_eq!(first(&seen, "x-forwarded-port"), "80");
    }
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let fields = [
        ("Connection", "X-Foo, X-Bar"),
        ("Keep-Alive", "timeout=5, max=1000"),
        ("Proxy", "gone"),
        ("Proxy-Connection", "close"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic YQ=="),
        ("TE", "trailers, deflate;q=0.5"),
        ("Upgrade", "example/1, foo/2"),
        ("X-Foo", "gone"),
        ("X-Bar", "gone"),
        ("X-Foo-Bar", "stays"),
        ("Close", "stays"),
        ("under_score", "stays"),
    ];
    let seen = get(gateway.proxy, "/", &fields).json();
    for (name, expected) in [
        ("connection", "keep-alive"),
        ("keep-alive", "-"),
        ("proxy", "-"),
        ("proxy-connection", "-"),
        ("upgrade", "-"),
        ("x-foo", "-"),
        ("x-bar", "-"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic YQ=="),
        ("te", "trailers"),
        ("x-foo-bar", "stays"),
        ("close", "stays"),
        ("under_score", "stays"),
    ] {
        assert_eq!(first(&seen, name), expected, "{name}");
    }
    let seen = get(gateway.proxy, "/", &[("TE", "gzip")]).json();
    assert_eq!(first(&seen, "te"), "-");
}

#[test]
fn hop_by_hop_fields_of_a_response_stay_on_their_hop() {
    let port = spawn_raw(
        b"HTTP/1.1 200 OK\r\nConnection: X-Foo, close\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
          Trailer: Expires\r\nUpgrade: example/1\r\nX-Foo: gone\r\nX-Foo-Bar: stays\r\nTE: x\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'\nservices:\n- url: http://127.0.0.1:{port}\n  routes:\n  - paths: [/]\n"
    ))
    .start();
    let reply = get(gateway.proxy, "/", &[]);
    for (name, expected) in [
        ("Connection", Some("keep-alive")),
        ("Trailer", None),
        ("Upgrade", None),
        ("X-Foo", None),
        ("X-Foo-Bar", Some("stays")),
        ("Proxy-Authenticate", Some("Basic")),
    ] {
        assert_eq!(reply.field(name), expected, "{name}");
    }
    let reply = get(gateway.proxy, "/", &[("TE", "trailers")]);
    assert_eq!(reply.field("Trailer"), Some("Expires"));
}

#[test]
fn the_host_is_the_services_unless_it_is_preserved() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream).start();
    let own = format!("127.0.0.1:{}", upstream.port);
    for (host, expected) in
        [("kept.test", "kept.test"), ("kept.test:8080", "kept.test:8080"), ("other.test", own.as_str())]
    {
        let seen = get(gateway.proxy, "/", &[("Host", host)]).json();
        assert_eq!(first(&seen, "host"), expected, "{host}");
    }
}

/// What Kong 3.9.3 told upstreams when a plugin changed what the client said of its way.
#[test]
fn plugins_of_a_route_change_nothing_of_what_the_client_said_of_its_way() {
    let upstream = Upstream::start();
    let change = "local r = kong.service.request r.set_header(\"Via\", \"1.1 mine\") r.set_header(\"X-Forwarded-Proto\", \"q\")";
    let routes: String = [
        ("set", "r.set_header(\"X-Forwarded-For\", \"1.1.1.1\")"),
        ("added", "r.add_header(\"X-Forwarded-For\", \"1.1.1.1\")"),
        ("cleared", "r.clear_header(\"X-Forwarded-For\")"),
        ("direct", "ngx.req.set_header(\"X-Forwarded-For\", \"1.1.1.1\")"),
        ("gone", "ngx.req.clear_header(\"X-Forwarded-For\")"),
    ]
    .iter()
    .map(|(name, code)| {
        format!(
            "  - name: {name}
    paths: [/{name}]
    plugins: [{{name: pre-function, config: {{access: ['{change} {code}']}}}}]
"
        )
    })
    .collect();
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes:
{routes}",
        upstream.url()
    ))
    .start();
    for path in ["/set", "/added", "/cleared", "/direct", "/gone"] {
        let seen = get(gateway.proxy, path, &[]).json();
        let told = ["x-forwarded-for", "x-forwarded-proto", "via"].map(|name| first(&seen, name));
        assert_eq!(told, ["127.0.0.1", "http", "1.1 kong/3.9.3"], "{path}");
        let said = [("X-Forwarded-For", "9.9.9.9"), ("Via", "1.0 client")];
        let seen = get(gateway.proxy, path, &said).json();
        let told = ["x-forwarded-for", "x-forwarded-proto", "via"].map(|name| first(&seen, name));
        assert_eq!(told, ["9.9.9.9, 127.0.0.1", "http", "1.0 client, 1.1 kong/3.9.3"], "{path}");
    }
}

/// What Kong 3.9.3 showed in the access phase.
#[test]
fn variables_tell_how_the_request_goes_to_its_upstream() {
    let told = "kong.response.exit(200, ngx.var.upstream_upgrade .. \"|\" .. ngx.var.upstream_connection .. \"|\" .. ngx.var.upstream_te)";
    let gateway = Setup::declarative(format!(
        "_format_version: '3.0'
routes:
- name: r
  paths: [/]
  plugins: [{{name: post-function, config: {{access: ['{told}']}}}}]
"
    ))
    .start();
    for (field, expected) in [
        (("X", "1"), "|keep-alive|"),
        (("Upgrade", "WebSocket"), "websocket|keep-alive, Upgrade|"),
        (("Upgrade", "h2c"), "|keep-alive|"),
        (("TE", "trailers"), "|keep-alive|"),
    ] {
        assert_eq!(get(gateway.proxy, "/", &[field]).text(), expected, "{field:?}");
    }
}
