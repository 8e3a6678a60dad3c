//! What the core entities accept, refuse and fill in, in tables.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{CORE_ENTITIES, Registry, RouterFlavor};
use crate::schema::{AutoOptions, Context, errors_to_string};

fn registry() -> Registry {
    Registry::core(RouterFlavor::TraditionalCompatible).expect("core schemas")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// Fills in and validates a new entity: the entity, or the error tree.
fn insert(registry: &Registry, entity: &str, input: Value) -> Result<Value, Value> {
    let schema = registry.named(entity).expect(entity);
    let processed = schema
        .process_auto_fields(object(input), Context::Insert, &AutoOptions::default())
        .map_err(Value::Object)?;
    schema.validate_insert(&processed.data, None).map_err(Value::Object)?;
    Ok(processed.data.into())
}

/// Each case: entity, input, the error tree (`null` when the input is accepted).
fn check(registry: &Registry, entity: &str, cases: &[(Value, Value)]) {
    for (input, expected) in cases {
        let errors = insert(registry, entity, input.clone()).err().unwrap_or(Value::Null);
        assert_eq!(&errors, expected, "{entity}: {input}");
    }
}

const ID: &str = "cbb297c0-a956-486d-ad1d-f9b42df9465a";

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

#[test]
fn routes_refuse_what_kong_refuses() {
    let paths = |path: &str| json!({"paths": [path]});
    let hosts = |host: &str| json!({"hosts": [host]});
    check(
        &registry(),
        "routes",
        &[
            (paths("/"), json!(null)),
            (
                json!({"protocols": ["http"]}),
                json!({
                    "@entity": ["must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"],
                }),
            ),
            (
                json!({}),
                json!({
                    "@entity": ["must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"],
                }),
            ),
            (
                json!({"protocols": ["tcp"]}),
                json!({
                    "@entity": ["must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"],
                }),
            ),
            (
                json!({"protocols": ["grpc"]}),
                json!({
                    "@entity": ["must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'"],
                }),
            ),
            (
                json!({"protocols": ["http", "tcp"], "paths": ["/"]}),
                json!({
                    "protocols": "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')",
                }),
            ),
            (
                json!({"protocols": ["tcp"], "paths": ["/"], "snis": ["a"]}),
                json!({
                    "paths": "cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'",
                    "@entity": ["'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"],
                    "snis": "length must be 0",
                }),
            ),
            (json!({"protocols": ["nope"]}), json!({"protocols": "unknown type: nope"})),
            (json!({"protocols": null, "paths": ["/"]}), json!({"protocols": "required field missing"})),
            (json!({"protocols": [], "paths": ["/"]}), json!({"protocols": "unknown type: nil"})),
            (
                json!({"protocols": ["grpc"], "paths": ["/"], "strip_path": true}),
                json!({
                    "strip_path": "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
                }),
            ),
            (paths("foo"), json!({"paths": ["should start with: / (fixed path) or ~/ (regex path)"]})),
            (paths("/a/../b"), json!({"paths": ["non-normalized path, consider use '/b' instead"]})),
            (
                paths("~/users/(foo/profile"),
                json!({"paths": [
            "invalid regex: '/users/(foo/profile' (PCRE returned: pcre2_compile() failed: \
             missing closing parenthesis in \"/users/(foo/profile\")"]}),
            ),
            (paths("/some%20words%ax"), json!({"paths": ["invalid url-encoded value: '%ax'"]})),
            (hosts("*.example.com"), json!(null)),
            (
                hosts("example.*:8000"),
                json!({"hosts": [
            "invalid wildcard: must be placed at leftmost or rightmost label"]}),
            ),
            (hosts("*.example.*"), json!({"hosts": ["invalid wildcard: must have at most one wildcard"]})),
            (hosts("/example"), json!({"hosts": ["invalid hostname: /example"]})),
            (json!({"methods": ["get"]}), json!({"methods": ["invalid value: get"]})),
            (
                json!({"headers": {"Host": ["a"]}}),
                json!({"headers":
            "cannot contain 'host' header, which must be specified in the 'hosts' attribute"}),
            ),
            (
                json!({"headers": {"x y": ["a"]}}),
                json!({"headers":
            "bad header name 'x y', allowed characters are A-Z, a-z, 0-9, '_', and '-'"}),
            ),
            (json!({"headers": {"x": "a"}}), json!({"headers": "expected an array"})),
            (
                json!({"paths": ["/"], "sources": [{"ip": "1.2.3.4"}]}),
                json!({
            "sources": "cannot set 'sources' when 'protocols' is 'http' or 'https'"}),
            ),
            (
                json!({"protocols": ["tcp"], "sources": [{"ip": "1.2.3.4/33"}, {}]}),
                json!({"sources": [
            {"ip": "invalid ip or cidr range: '1.2.3.4/33'"},
            {"@entity": ["at least one of these fields must be non-empty: 'ip', 'port'"]}]}),
            ),
            (
                json!({"paths": ["/"], "https_redirect_status_code": 200}),
                json!({
            "https_redirect_status_code": "expected one of: 426, 301, 302, 307, 308"}),
            ),
            (json!({"paths": ["/"], "service": "x"}), json!({"service": {"id": "missing primary key"}})),
            (json!({"paths": ["/"], "service": {"id": ID, "x": 1}}), json!(null)),
        ],
    );
}

#[test]
fn an_expressions_route_takes_an_expression_in_place_of_fields() {
    let registry = Registry::core(RouterFlavor::Expressions).expect("core schemas");
    let failed =
        |reason: &str| json!({"@entity": [format!("Router Expression failed validation: {reason}")]});
    check(
        &registry,
        "routes",
        &[
            (json!({"expression": "http.path == \"/\""}), json!(null)),
            (
                json!({"expression": "x", "paths": ["/"]}),
                failed(
                    "cannot set 'expression' with 'methods', 'hosts', \
            'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously",
                ),
            ),
            (
                json!({"expression": "x", "regex_priority": 1}),
                failed("cannot set 'regex_priority' with 'expression' simultaneously"),
            ),
            (
                json!({"paths": ["/"], "priority": 1}),
                failed(
                    "cannot set 'priority' with 'methods', 'hosts', \
            'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously",
                ),
            ),
            (
                json!({"paths": ["/"], "priority": -1}),
                json!({"priority": "value should be between 0 and 70368744177663"}),
            ),
        ],
    );
}

#[test]
fn other_entities_refuse_what_kong_refuses() {
    let registry = registry();
    let check = |entity: &str, input: Value, expected: Value| check(&registry, entity, &[(input, expected)]);
    check(
        "consumers",
        json!({}),
        json!({
        "@entity": ["at least one of these fields must be non-empty: 'custom_id', 'username'"]}),
    );
    check(
        "consumers",
        json!({"username": ""}),
        json!({"username": "length must be at least 1",
        "@entity": ["at least one of these fields must be non-empty: 'custom_id', 'username'"]}),
    );
    check(
        "workspaces",
        json!({"name": "services"}),
        json!({"name": format!("must not be one of: {}",
        CORE_ENTITIES.join(", "))}),
    );
    check(
        "snis",
        json!({"name": "127.0.0.1", "certificate": {"id": ID}}),
        json!({"name": "must not be an IP"}),
    );
    check(
        "snis",
        json!({"name": "a.*.b", "certificate": {"id": ID}}),
        json!({
        "name": "wildcard must be leftmost or rightmost character"}),
    );
    check("targets", json!({"target": "1.2.3.4:80", "upstream": {"id": ID}}), json!(null));
    check(
        "targets",
        json!({"target": "a b", "upstream": {"id": ID}}),
        json!({
        "target": "Invalid target ('a b'); not a valid hostname or ip address"}),
    );
    check(
        "targets",
        json!({"target": "a", "weight": 65536, "upstream": {"id": ID}}),
        json!({
        "weight": "value should be between 0 and 65535"}),
    );
    check(
        "plugins",
        json!({"name": "nope"}),
        json!({
        "name": "plugin 'nope' not enabled; add it to the 'plugins' configuration property"}),
    );
    check("plugins", json!({}), json!({"name": "required field missing"}));
    check("vaults", json!({"name": "x", "prefix": "p"}), json!({"name": "vault 'x' is not installed"}));
    check(
        "keys",
        json!({"kid": "a"}),
        json!({
        "@entity": ["at least one of these fields must be non-empty: 'jwk', 'pem'"]}),
    );
    check(
        "keys",
        json!({"kid": "a", "jwk": "{\"kid\": \"b\"}"}),
        json!({
        "@entity": ["kid in jwk.kid must be equal to keys.kid"]}),
    );
    check(
        "keys",
        json!({"kid": "a", "jwk": "{\"kid\": \"a\"}"}),
        json!({
        "@entity": ["could not load JWK, likely not a valid key"]}),
    );
    check(
        "certificates",
        json!({"cert": "x", "key": "{vault://env/key}"}),
        json!({
        "cert": "invalid certificate: x509.new: error:688010A:asn1 encoding routines:asn1_item_embed_d2i:\
                 nested asn1 error:asn1/tasn_dec.c:349:"}),
    );
}

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

#[test]
fn ca_certificates_are_digested_and_must_be_authorities() {
    let mut params = rcgen::CertificateParams::new(vec!["ca".to_owned()]).expect("params");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("key");
    let ca = params.self_signed(&key).expect("certificate").pem();
    let leaf = rcgen::CertificateParams::new(vec!["leaf".to_owned()]).expect("params");
    let leaf = leaf.self_signed(&key).expect("certificate").pem();
    let registry = registry();
    check(
        &registry,
        "ca_certificates",
        &[
            (json!({"cert": ca}), json!(null)),
            (
                json!({"cert": leaf}),
                json!({"@entity": ["certificate does not appear to be a CA because it is \
            missing the \"CA\" basic constraint"]}),
            ),
            (
                json!({"cert": format!("{ca}{ca}")}),
                json!({"@entity":
            ["please submit only one certificate at a time"]}),
            ),
        ],
    );
    let schema = registry.named("ca_certificates").expect("schema");
    let made = schema.transform(object(json!({"cert": ca})), None, Context::Insert).expect("transform");
    assert_eq!(made["cert_digest"].as_str().map(str::len), Some(64));
    let other = rcgen::KeyPair::generate().expect("key").serialize_pem();
    check(
        &registry,
        "certificates",
        &[
            (json!({"cert": leaf, "key": key.serialize_pem()}), json!(null)),
            (json!({"cert": leaf, "key": other}), json!({"@entity": ["certificate does not match key"]})),
            (
                json!({"cert": leaf, "key": key.serialize_pem(), "cert_alt": ca, "key_alt": key.serialize_pem()}),
                json!({"@entity": ["certificate and alternative certificate need to have different type (e.g. RSA \
                and ECDSA), the provided certificates were both of the same type"]}),
            ),
        ],
    );
}

#[test]
fn an_update_leaves_absent_fields_alone_and_speaks_of_updating() {
    let registry = registry();
    let consumers = registry.named("consumers").expect("consumers");
    let data = consumers
        .process_auto_fields(object(json!({"tags": ["a", "a"]})), Context::Update, &AutoOptions::default())
        .expect("update")
        .data;
    assert_eq!(data["tags"], json!(["a"]));
    assert!(!data.contains_key("username") && data.contains_key("updated_at"));
    assert_eq!(consumers.validate_update(&data, None, None), Ok(()));
    let input = object(json!({"username": null, "custom_id": null}));
    assert_eq!(
        consumers.validate_update(&input, None, None).map_err(Value::Object),
        Err(json!({
            "@entity": ["when updating, at least one of these fields must be non-empty: 'custom_id', 'username'"],
        }))
    );
}

#[test]
fn reading_drops_nulls_unless_they_are_asked_for() {
    let registry = registry();
    let consumers = registry.named("consumers").expect("consumers");
    let stored =
        object(json!({"id": ID, "username": "a", "custom_id": null, "ws_id": "w", "created_at": 1.0}));
    let read = |nulls: bool, show_ws_id: bool| {
        let options = AutoOptions { nulls, show_ws_id, ..AutoOptions::default() };
        let data =
            consumers.process_auto_fields(stored.clone(), Context::Select, &options).expect("read").data;
        Value::Object(data)
    };
    assert_eq!(read(false, false), json!({"id": ID, "created_at": 1, "username": "a"}));
    let shown = read(true, true);
    assert_eq!(shown["custom_id"], json!(null));
    assert_eq!(shown["ws_id"], json!("w"));
}

#[test]
fn core_schemas_satisfy_the_schema_of_schemas() {
    for name in CORE_ENTITIES {
        let schema = super::definition(name, None).expect(name);
        let definition = schema.definition(&|_| Some(crate::schema::value::opaque(1)));
        let errors = crate::schema::metaschema::validate_entity(&object(definition));
        assert_eq!(errors.map_err(Value::Object), Ok(()), "{name}");
    }
}

#[test]
fn core_schemas_exist_and_sort_after_what_they_refer_to() {
    let registry = registry();
    let names: Vec<String> = registry.sorted().iter().map(|schema| schema.name.clone()).collect();
    assert_eq!(names.len(), CORE_ENTITIES.len());
    for (place, schema) in registry.sorted().iter().enumerate() {
        for (_, foreign) in schema.foreign_fields() {
            let target = names.iter().position(|name| *name == foreign.reference).expect("known");
            assert!(target < place, "{} before {}", schema.name, foreign.reference);
        }
    }
    let on_services: Vec<String> = registry
        .constraints("services")
        .into_iter()
        .map(|constraint| constraint.schema.name.clone())
        .collect();
    assert_eq!(on_services, ["routes", "plugins", "filter_chains"]);
}

#[test]
fn cache_keys_join_the_name_five_values_and_the_workspace() {
    let registry = registry();
    let plugins = registry.named("plugins").expect("plugins");
    let plugin = object(json!({"id": ID, "name": "cors", "route": {"id": "r"}, "service": null}));
    assert_eq!(plugins.cache_key_of(&plugin, Some("w")), "plugins:cors:r::::w");
    let consumers = registry.named("consumers").expect("consumers");
    assert_eq!(consumers.cache_key_of(&object(json!({"id": "i"})), Some("w")), "consumers:i:::::w");
}

#[test]
fn errors_read_as_one_text() {
    let errors = object(json!({"@entity": ["a"], "b": {"c": "d"}, "e": "f"}));
    assert_eq!(
        errors_to_string(&errors).as_deref(),
        Some("Validation error: a; b: Validation error: c: d; e: f")
    );
}

/// The bound is for release builds; others get more time.
#[test]
fn ten_thousand_entities_are_filled_in_and_validated_in_a_fraction_of_a_second() {
    let bound = if cfg!(debug_assertions) { Duration::from_secs(20) } else { Duration::from_millis(300) };
    let registry = registry();
    for (entity, make) in [
        ("consumers", (|n| json!({"username": format!("c{n}"), "tags": ["a"]})) as fn(usize) -> Value),
        (
            "routes",
            |n| json!({"paths": [format!("/r/{n}")], "hosts": ["example.com"], "service": {"id": ID}}),
        ),
    ] {
        let inputs: Vec<Value> = (0..10_000).map(make).collect();
        let start = Instant::now();
        for input in inputs {
            insert(&registry, entity, input).expect("valid");
        }
        let taken = start.elapsed();
        println!("{entity}: {taken:?}");
        assert!(taken < bound, "{entity} took {taken:?}");
    }
}
