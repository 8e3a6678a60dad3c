//! key-auth, as clients and upstreams see it.

use crate::support::{Gateway, Reply, Setup, Upstream, get, request};
use serde_json::Value;

fn start() -> Gateway {
    let routes: String = [
        ("plain", ""),
        ("realm", "realm: private"),
        ("hidden", "hide_credentials: true"),
        ("names", "key_names: [first-key, second_key]"),
        ("body", "key_in_body: true"),
        ("bodyhidden", "key_in_body: true, hide_credentials: true"),
        ("headeronly", "key_in_query: false"),
        ("queryonly", "key_in_header: false"),
        ("anonymous", "anonymous: nobody"),
        ("lost", "anonymous: not-there"),
        ("lax", "run_on_preflight: false"),
    ]
    .iter()
    .map(|(name, config)| {
        format!(
            "  - name: {name}\n    paths: [/{name}]\n    plugins:\n    - name: key-auth\n      config: {{{config}}}\n"
        )
    })
    .collect();
    Setup::declarative(format!(
        "_format_version: '3.0'
services:
- url: {}
  routes:
{routes}consumers:
- username: bob
  custom_id: '1234'
  keyauth_credentials: [{{key: kong, id: 4a1c3e7e-35d9-4a7c-9d0c-7a3b1c2d3e4f}}]
- username: nobody
",
        Upstream::start().url()
    ))
    .start()
}

fn first<'a>(seen: &'a Value, name: &str) -> &'a str {
    seen["headers"][name][0].as_str().unwrap_or("-")
}

fn refused(reply: &Reply, message: &str, challenge: &str) {
    assert_eq!((reply.status, reply.reason.as_str()), (401, "Unauthorized"));
    let id = reply.field("X-Kong-Request-Id").expect("a request id");
    assert_eq!(reply.text(), format!("{{\n  \"message\":\"{message}\",\n  \"request_id\":\"{id}\"\n}}"));
    assert_eq!(reply.field("WWW-Authenticate"), Some(challenge));
    assert_eq!(reply.field("Content-Type"), Some("application/json; charset=utf-8"));
}

#[test]
fn requests_without_a_good_key_are_refused_with_a_challenge() {
    let gateway = start();
    let missing = "No API key found in request";
    for (path, fields, message, challenge) in [
        ("/plain", vec![], missing, "Key"),
        ("/plain", vec![("apikey", "")], missing, "Key"),
        ("/plain?apikey=", vec![], missing, "Key"),
        ("/plain", vec![("apikey", "wrong")], "Unauthorized", "Key"),
        ("/plain?apikey=wrong", vec![], "Unauthorized", "Key"),
        ("/plain?apikey=kong&apikey=kong", vec![], "Duplicate API key found", "Key"),
        ("/plain", vec![("apikey", "kong"), ("apikey", "kong")], "Duplicate API key found", "Key"),
        ("/plain?apikey[]=kong", vec![], missing, "Key"),
        ("/realm", vec![], missing, "Key realm=\"private\""),
        ("/headeronly?apikey=kong", vec![], missing, "Key"),
        ("/queryonly", vec![("apikey", "kong")], missing, "Key"),
        ("/names", vec![("apikey", "kong")], missing, "Key"),
        ("/body", vec![], missing, "Key"),
    ] {
        let reply = get(gateway.proxy, path, &fields);
        refused(&reply, message, challenge);
    }
    assert_eq!(request(gateway.proxy, "OPTIONS", "/lax", &[], b"").status, 200);
    refused(&request(gateway.proxy, "OPTIONS", "/plain", &[], b""), missing, "Key");
}

#[test]
fn the_upstream_learns_who_the_consumer_is() {
    let gateway = start();
    let claimed =
        [("X-Consumer-Username", "eve"), ("X-Anonymous-Consumer", "true"), ("X-Consumer-Custom-ID", "0")];
    for (path, mut fields) in [
        ("/plain", vec![("apikey", "kong")]),
        ("/plain?apikey=kong", vec![]),
        ("/names", vec![("first-key", "kong")]),
        ("/names?second_key=kong", vec![]),
        ("/queryonly?apikey=kong", vec![]),
        ("/anonymous?apikey=kong", vec![]),
    ] {
        fields.extend(claimed);
        let seen = get(gateway.proxy, path, &fields).json();
        assert_eq!(first(&seen, "x-consumer-username"), "bob", "{path}");
        assert_eq!(first(&seen, "x-consumer-custom-id"), "1234", "{path}");
        assert_eq!(first(&seen, "x-consumer-id").len(), 36, "{path}");
        assert_eq!(first(&seen, "x-credential-identifier"), "4a1c3e7e-35d9-4a7c-9d0c-7a3b1c2d3e4f", "{path}");
        assert_eq!(first(&seen, "x-anonymous-consumer"), "-", "{path}");
    }
}

#[test]
fn without_a_good_key_the_anonymous_consumer_stands_in() {
    let gateway = start();
    for fields in [vec![], vec![("apikey", "wrong")], vec![("X-Credential-Identifier", "claimed")]] {
        let seen = get(gateway.proxy, "/anonymous", &fields).json();
        assert_eq!(first(&seen, "x-consumer-username"), "nobody");
        assert_eq!(first(&seen, "x-anonymous-consumer"), "true");
        assert_eq!(first(&seen, "x-credential-identifier"), "-");
        assert_eq!(first(&seen, "x-consumer-custom-id"), "-");
    }
    let reply = get(gateway.proxy, "/lost", &[]);
    assert_eq!((reply.status, reply.json()["message"].as_str()), (500, Some("An unexpected error occurred")));
    gateway.wait_for_log("either credential or consumer must be provided");
}

#[test]
fn hidden_credentials_do_not_reach_the_upstream() {
    let gateway = start();
    let seen = get(gateway.proxy, "/hidden", &[("apikey", "kong")]).json();
    assert_eq!(first(&seen, "apikey"), "-");
    let seen = get(gateway.proxy, "/plain", &[("apikey", "kong")]).json();
    assert_eq!(first(&seen, "apikey"), "kong");
    for (asked, expected) in [
        ("/plain?c=1&apikey=kong&a=2", "/?c=1&apikey=kong&a=2"),
        ("/hidden?c=1&apikey=kong&a=2", "/?c=1&a=2"),
        ("/hidden?c=v%201&api%6bey=kong&a=2", "/?c=v+1&a=2"),
    ] {
        assert_eq!(get(gateway.proxy, asked, &[]).json()["uri"], expected, "{asked}");
    }
}

#[test]
fn the_key_may_stand_in_the_body() {
    let gateway = start();
    for (kind, body, hidden) in [
        ("application/x-www-form-urlencoded", "apikey=kong&x=y", "x=y"),
        ("application/json", "{\"apikey\":\"kong\",\"x\":\"y\"}", "{\"x\":\"y\"}"),
    ] {
        let fields = [("Content-Type", kind)];
        let seen = request(gateway.proxy, "POST", "/body", &fields, body.as_bytes()).json();
        assert_eq!(seen["body"], body, "{kind}");
        let seen = request(gateway.proxy, "POST", "/bodyhidden", &fields, body.as_bytes()).json();
        assert_eq!(seen["body"], hidden, "{kind}");
        assert_eq!(first(&seen, "content-length"), hidden.len().to_string(), "{kind}");
        assert!(first(&seen, "content-type").starts_with(kind), "{kind}");
        let wrong = body.replace("kong", "wrong");
        refused(&request(gateway.proxy, "POST", "/body", &fields, wrong.as_bytes()), "Unauthorized", "Key");
    }
}
