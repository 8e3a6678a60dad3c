//! Services.

use super::{check, insert, object, registry};
use crate::schema::{AutoOptions, Context};
use serde_json::json;

#[test]
fn services_refuse_what_kong_refuses() {
    let name = |name: &str| json!({"name": name, "host": "example.com"});
    let path = |path: &str| json!({"host": "example.com", "path": path});
    check(
        &registry(),
        "services",
        &[
            (json!({"host": "example.com"}), json!(null)),
            (json!({}), json!({"host": "required field missing"})),
            (
                json!({"host": "example.com", "retries": -1}),
                json!({"retries": "value should be between 0 and 32767"}),
            ),
            (
                json!({"host": "example.com", "protocol": "ftp"}),
                json!({
                    "protocol": "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp",
                }),
            ),
            (json!({"host": "a.b:80"}), json!({"host": "must not have a port"})),
            (json!({"host": "*.example.com"}), json!({"host": "invalid value: *.example.com"})),
            (name("g2rpc.test~"), json!(null)),
            (
                name("a b"),
                json!({
                    "name": "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
                }),
            ),
            (path("foo"), json!({"path": "should start with: /"})),
            (path("/foo//bar"), json!({"path": "must not have empty segments"})),
            (
                path("/f\u{e9}"),
                json!({
                    "path": "invalid path: '/f\u{e9}' (characters outside of the reserved list of RFC 3986 found)",
                }),
            ),
            (path("/some%2words"), json!({"path": "invalid url-encoded value: '%2w'"})),
            (path("/some%"), json!({"path": "invalid url-encoded value: '%'"})),
            (
                json!({"host": "a", "protocol": "tcp", "path": "/"}),
                json!({
                    "path": "value must be null",
                    "@entity": ["failed conditional validation given value of field 'protocol'"],
                }),
            ),
            (
                json!({"host": "a", "protocol": "http", "tls_verify": true}),
                json!({
                    "tls_verify": "value must be null",
                    "@entity": ["failed conditional validation given value of field 'protocol'"],
                }),
            ),
            (
                json!({"host": "a", "protocol": "https", "client_certificate": {"id": "x"}}),
                json!({
                    "client_certificate": {"id": "expected a valid UUID"},
                }),
            ),
            (json!({"host": "a", "unknown": 1}), json!({"unknown": "unknown field"})),
            (
                json!({"host": "a", "tags": ["ok", "not,ok"]}),
                json!({"tags": [null,
            "invalid tag 'not,ok': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"]}),
            ),
            (
                json!({"host": "a", "protocol": "https", "ca_certificates": ["x"]}),
                json!({"ca_certificates": ["expected a valid UUID"]}),
            ),
            (
                json!({"host": "a", "connect_timeout": 0}),
                json!({
                    "connect_timeout": "value should be between 1 and 2147483646",
                }),
            ),
            (json!({"host": "a", "port": 1.5}), json!({"port": "expected an integer"})),
        ],
    );
}

#[test]
fn a_service_url_is_taken_apart() {
    let cases = [
        ("http://example.com", json!(["http", "example.com", 80, null])),
        ("https://example.com/a/b?c#d", json!(["https", "example.com", 443, "/a/b"])),
        ("tcp://[::1]:8080", json!(["tcp", "::1", 8080, null])),
        ("//host:443", json!(["https", "host", 443, null])),
    ];
    for (url, expected) in cases {
        let service = registry().named("services").expect("services");
        let input = object(json!({"url": url}));
        let data = service
            .process_auto_fields(input, Context::Insert, &AutoOptions::default())
            .expect("shorthand")
            .data;
        assert_eq!(json!([data["protocol"], data["host"], data["port"], data["path"]]), expected, "{url}");
        assert!(!data.contains_key("url"));
    }
}

#[test]
fn a_service_gets_its_defaults_in_the_order_of_the_schema() {
    let service = insert(&registry(), "services", json!({"tags": [], "host": "example.com"})).expect("valid");
    let keys: Vec<&str> = service.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(keys[..4], ["id", "created_at", "updated_at", "name"]);
    for (field, value) in [
        ("retries", json!(5)),
        ("port", json!(80)),
        ("protocol", json!("http")),
        ("read_timeout", json!(60000)),
        ("name", json!(null)),
        ("tls_verify", json!(null)),
        ("enabled", json!(true)),
    ] {
        assert_eq!(service[field], value, "{field}");
    }
}
