//! The schemas of the bundled plugins, against what Kong's have.

use super::harness::Gateway;
use crate::entities::{Registry, RouterFlavor};
use crate::lua::plugin::load_schemas;
use crate::schema::{AutoOptions, Context};
use serde_json::{Value, json};

#[rustfmt::skip] // A table.
const BUNDLED: [&str; 43] = [
    "acl", "acme", "ai-prompt-decorator", "ai-prompt-guard", "ai-prompt-template", "ai-proxy", "ai-request-transformer",
    "ai-response-transformer", "aws-lambda", "azure-functions", "basic-auth", "bot-detection", "correlation-id", "cors", "datadog",
    "file-log", "hmac-auth", "http-log", "ip-restriction", "jwt", "key-auth", "ldap-auth", "loggly", "oauth2",
    "opentelemetry", "post-function", "pre-function", "prometheus", "proxy-cache", "rate-limiting", "redirect",
    "request-size-limiting", "request-termination", "request-transformer", "response-ratelimiting",
    "response-transformer", "session", "standard-webhooks", "statsd", "syslog", "tcp-log", "udp-log", "zipkin",
];

struct Schemas {
    // Callbacks of the schemas run in its VM.
    _gateway: Gateway,
    registry: Registry,
}

fn schemas() -> Schemas {
    let gateway = Gateway::new(&BUNDLED, "").unwrap_or_else(|error| panic!("{}", error.report()));
    let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
    let names: Vec<String> = BUNDLED.iter().map(|name| (*name).to_owned()).collect();
    load_schemas(&gateway.vm, &names, &registry).unwrap_or_else(|error| panic!("{}", error.report()));
    Schemas { _gateway: gateway, registry }
}

impl Schemas {
    /// Fills in and validates a plugin: its configuration, or the errors under `config` and `@entity`.
    fn plugin(&self, name: &str, config: Value) -> Result<Value, Value> {
        let plugins = self.registry.named("plugins").unwrap();
        let entity = json!({"name": name, "config": config});
        let processed = plugins
            .process_auto_fields(
                entity.as_object().unwrap().clone(),
                Context::Insert,
                &AutoOptions::default(),
            )
            .map_err(Value::Object)?;
        plugins.validate_insert(&processed.data, None).map_err(Value::Object)?;
        Ok(processed.data["config"].clone())
    }

    fn refuses(&self, name: &str, config: Value, expected: Value) {
        assert_eq!(self.plugin(name, config.clone()), Err(expected), "{name} {config}");
    }
}

#[test]
fn configurations_get_kongs_defaults() {
    let schemas = schemas();
    let defaults =
        |name: &str, config: Value| schemas.plugin(name, config).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        defaults("key-auth", json!({})),
        json!({"key_names": ["apikey"], "hide_credentials": false, "anonymous": null, "key_in_header": true,
            "key_in_query": true, "key_in_body": false, "run_on_preflight": true, "realm": null})
    );
    let limits = defaults("rate-limiting", json!({"minute": 5}));
    assert_eq!(
        (&limits["minute"], &limits["limit_by"], &limits["policy"]),
        (&json!(5), &json!("consumer"), &json!("local"))
    );
    assert_eq!(
        (&limits["error_code"], &limits["error_message"], &limits["sync_rate"]),
        (&json!(429), &json!("API rate limit exceeded"), &json!(-1))
    );
    assert_eq!(
        (&limits["redis"]["port"], &limits["redis"]["timeout"], &limits["fault_tolerant"]),
        (&json!(6379), &json!(2000), &json!(true))
    );
    assert_eq!(defaults("correlation-id", json!({}))["generator"], "uuid#counter");
    assert_eq!(defaults("request-termination", json!({}))["status_code"], 503);
    assert_eq!(defaults("cors", json!({}))["methods"].as_array().unwrap().len(), 9);
    assert_eq!(
        defaults("request-transformer", json!({}))["remove"],
        json!({"body": [], "headers": [], "querystring": []})
    );
    assert_eq!(
        defaults("response-transformer", json!({}))["add"],
        json!({"json": [], "json_types": [], "headers": []})
    );
    assert_eq!(defaults("file-log", json!({"path": "/tmp/x"}))["reopen"], false);
    assert_eq!(defaults("pre-function", json!({"access": ["return"]}))["log"], json!([]));
}

#[test]
fn configurations_are_refused_in_kongs_words() {
    let schemas = schemas();
    schemas.refuses(
        "key-auth",
        json!({"key_names": ["a b"]}),
        json!({"config": {"key_names":
        ["bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"]}}),
    );
    schemas.refuses(
        "rate-limiting",
        json!({"hour": 10, "minute": 20}),
        json!({"config": "The limit for hour(10.0) cannot be lower than the limit for minute(20.0)"}),
    );
    schemas.refuses(
        "rate-limiting",
        json!({"minute": 20, "sync_rate": 1}),
        json!({"config": "sync_rate can only be used with the redis policy"}),
    );
    schemas.refuses(
        "rate-limiting",
        json!({"minute": 20, "policy": "redis", "sync_rate": 0.01, "redis": {"host": "h.test"}}),
        json!({"config": "sync_rate must be greater than 0.02, or -1 to disable"}),
    );
    schemas.refuses(
        "rate-limiting",
        json!({}),
        json!({"@entity": ["at least one of these fields must be non-empty: \
        'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'"]}),
    );
    schemas.refuses(
        "rate-limiting",
        json!({"minute": 1, "limit_by": "header"}),
        json!({
        "@entity": ["failed conditional validation given value of field 'config.limit_by'"],
        "config": {"header_name": "required field missing"}}),
    );
    schemas.refuses(
        "request-termination",
        json!({"message": "a", "body": "b"}),
        json!({"config": "message cannot be used with content_type or body"}),
    );
    schemas.refuses(
        "request-termination",
        json!({"content_type": "b"}),
        json!({"config": "content_type requires a body"}),
    );
    schemas.refuses(
        "request-termination",
        json!({"status_code": 600}),
        json!({"config": {"status_code": "value should be between 100 and 599"}}),
    );
    schemas.refuses(
        "cors",
        json!({"origins": ["["]}),
        json!({"config": {"origins": ["'[' is not a valid regex"]}}),
    );
    schemas.refuses("file-log", json!({"path": "a*b"}), json!({"config": {"path": "not a valid filename"}}));
    schemas.refuses(
        "request-transformer",
        json!({"add": {"headers": ["a b:c"]}}),
        json!({"config": {"add": {"headers": ["'a b' is not a valid header"]}}}),
    );
    schemas.refuses(
        "request-transformer",
        json!({"add": {"querystring": ["a"]}}),
        json!({"config": {"add": {"querystring": ["key 'a' has no value"]}}}),
    );
    let errors = schemas.plugin("pre-function", json!({"access": ["return ("]})).unwrap_err();
    let text = errors["config"]["access"][0].as_str().unwrap();
    assert!(text.starts_with("error parsing pre-function: [string \"return (\"]:1: "), "{text}");
}

#[test]
fn old_names_of_redis_fields_are_taken() {
    let config = json!({"minute": 1, "policy": "redis", "redis_host": "h.test", "redis_port": 7000});
    let config = schemas().plugin("rate-limiting", config).unwrap();
    assert_eq!((&config["redis"]["host"], &config["redis"]["port"]), (&json!("h.test"), &json!(7000)));
}

#[test]
fn entities_of_plugins_become_entities_of_the_node() {
    let schemas = schemas();
    let credentials = schemas.registry.named("keyauth_credentials").unwrap();
    assert!(credentials.unique_fields().any(|(name, _)| name == "key"));
    assert!(schemas.registry.named("ratelimiting_metrics").is_some());
}

#[test]
fn bytecode_in_place_of_a_function_is_refused() {
    let schemas = schemas();
    for code in ["\u{1b}", "\u{1b}LJ\u{2}", "\u{1b}/v"] {
        assert!(schemas.plugin("pre-function", json!({"access": [code]})).is_err(), "{code:?}");
    }
}
