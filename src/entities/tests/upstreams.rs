//! Upstreams and their health checks.

use super::{check, insert, object, registry};
use serde_json::{Value, json};

#[test]
fn upstreams_refuse_what_kong_refuses() {
    let upstream = |fields: Value| {
        let mut input = object(json!({"name": "example.com"}));
        input.extend(object(fields));
        Value::Object(input)
    };
    check(
        &registry(),
        "upstreams",
        &[
            (upstream(json!({})), json!(null)),
            (
                json!({"name": "1.2.3.4"}),
                json!({"name": "Invalid name ('1.2.3.4'); no ip addresses allowed"}),
            ),
            (json!({"name": "a:80"}), json!({"name": "Invalid name ('a:80'); no port allowed"})),
            (json!({"name": "/a"}), json!({"name": "Invalid name ('/a'); must be a valid hostname"})),
            (upstream(json!({"slots": 1})), json!({"slots": "value should be between 10 and 65536"})),
            (
                upstream(json!({"hash_on": "header"})),
                json!({
            "hash_on_header": "required field missing",
            "@entity": ["failed conditional validation given value of field 'hash_on'"]}),
            ),
            (
                upstream(json!({"hash_fallback": "ip"})),
                json!({
            "hash_fallback": "expected one of: none",
            "@entity": ["failed conditional validation given value of field 'hash_on'"]}),
            ),
            (
                upstream(json!({"hash_on": "header", "hash_on_header": "a", "hash_fallback": "header",
            "hash_fallback_header": "a"})),
                json!({
            "@entity": ["values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'"]}),
            ),
            (
                upstream(
                    json!({"healthchecks": {"active": {"timeout": -1, "healthy": {"http_statuses": [99]}}}}),
                ),
                json!({"healthchecks": {"active": {"timeout": "value should be between 0 and 65535",
                "healthy": {"http_statuses": ["value should be between 100 and 999"]}}}}),
            ),
        ],
    );
}

#[test]
fn hashing_and_algorithm_of_an_upstream_follow_each_other() {
    let registry = registry();
    let algorithm = |fields: Value| {
        let mut input = object(json!({"name": "example.com"}));
        input.extend(object(fields));
        let made = insert(&registry, "upstreams", input.into()).expect("valid");
        json!([made["algorithm"], made["hash_on"]])
    };
    assert_eq!(algorithm(json!({})), json!(["round-robin", "none"]));
    assert_eq!(algorithm(json!({"hash_on": "ip"})), json!(["consistent-hashing", "ip"]));
    assert_eq!(algorithm(json!({"hash_on": "none"})), json!(["round-robin", "none"]));
    assert_eq!(algorithm(json!({"algorithm": "least-connections"})), json!(["least-connections", "none"]));
}

#[test]
fn an_upstream_gets_all_health_check_defaults() {
    let upstream = insert(
        &registry(),
        "upstreams",
        json!({
            "name": "example.com", "healthchecks": {"active": {"healthy": {"interval": 1}}},
        }),
    )
    .expect("valid");
    let active = &upstream["healthchecks"]["active"];
    assert_eq!(active["healthy"], json!({"interval": 1, "http_statuses": [200, 302], "successes": 0}));
    assert_eq!(active["https_sni"], json!(null));
    assert_eq!(active["concurrency"], json!(10));
    assert_eq!(upstream["healthchecks"]["threshold"], json!(0));
}
