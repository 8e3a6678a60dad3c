//! Upstreams: names that requests are balanced over targets for.

use serde_json::{Map, Value, json};

use crate::schema::typedefs::address::{Address, HostKind};
use crate::schema::typedefs::{
    auto_timestamp_s, cookie_name, header_name, headers, host_with_optional_port, path, sni, tags, uuid,
};
use crate::schema::{Check, Conditional, Field, Record, Schema, Shorthand, Verdict};

/// What a request can be hashed on.
const HASH_INPUTS: [&str; 8] =
    ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];

/// The schema of upstreams.
pub fn schema() -> Schema {
    let argument = || Field::string().len_min(1);
    let schema = Schema::new("upstreams", &["id"])
        .endpoint_key("name")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_s()),
            (
                "name",
                Field::string()
                    .required()
                    .unique()
                    .custom(check_name)
                    .describe("A host name that services have as their host."),
            ),
            ("updated_at", auto_timestamp_s()),
            (
                "algorithm",
                Field::string()
                    .default("round-robin")
                    .one_of(["consistent-hashing", "least-connections", "round-robin", "latency"])
                    .describe("How a target is chosen."),
            ),
            ("hash_on", hash_input()),
            ("hash_fallback", hash_input()),
            ("hash_on_header", header_name()),
            ("hash_fallback_header", header_name()),
            ("hash_on_cookie", cookie_name().describe("The cookie whose value is hashed.")),
            ("hash_on_cookie_path", path().default("/")),
            ("hash_on_query_arg", argument()),
            ("hash_fallback_query_arg", argument()),
            ("hash_on_uri_capture", argument()),
            ("hash_fallback_uri_capture", argument()),
            (
                "slots",
                Field::integer()
                    .default(10_000)
                    .between(10.0, 65_536.0)
                    .describe("How many slots the ring of hashes has."),
            ),
            ("healthchecks", healthchecks()),
            ("tags", tags()),
            ("host_header", host_with_optional_port()),
            (
                "client_certificate",
                Field::foreign("certificates").describe("The certificate shown to targets that ask for one."),
            ),
            (
                "use_srv_name",
                Field::boolean().default(false).describe("Whether targets see the name of their SRV record."),
            ),
        ])
        .shorthand(Shorthand::new("algorithm", Field::string(), algorithm_decides))
        .shorthand(Shorthand::new("hash_on", Field::string(), hash_on_decides));
    hash_checks().into_iter().fold(schema, Schema::entity_check)
}

fn hash_input() -> Field {
    Field::string().default("none").one_of(HASH_INPUTS)
}

fn check_name(value: &Value) -> Verdict {
    let name = value.as_str().unwrap_or_default();
    let shown = match crate::schema::text::invalid_utf8(name) {
        None => format!("Invalid name ('{name}')"),
        Some(_) => "Invalid name".to_owned(),
    };
    let fault = match Address::parse(name) {
        Err(_) => "must be a valid hostname",
        Ok(address) if address.kind != HostKind::Name => "no ip addresses allowed",
        Ok(address) if address.port.is_some() => "no port allowed",
        Ok(_) => return Ok(()),
    };
    Err(Some(Value::String(format!("{shown}; {fault}"))))
}

/// Algorithms that do not hash forget what to hash on.
fn algorithm_decides(value: &Value) -> Option<Map<String, Value>> {
    let mut fields = Map::from_iter([("algorithm".to_owned(), value.clone())]);
    if let Some("least-connections" | "latency") = value.as_str() {
        fields.insert("hash_on".to_owned(), Value::Null);
    }
    Some(fields)
}

/// Hashing on something makes the algorithm consistent hashing.
fn hash_on_decides(value: &Value) -> Option<Map<String, Value>> {
    let fields = match value.as_str() {
        None => json!({"hash_on": "none"}),
        Some("none") => json!({"hash_on": "none", "algorithm": "round-robin"}),
        Some(input) => json!({"hash_on": input, "algorithm": "consistent-hashing"}),
    };
    fields.as_object().cloned()
}

fn when(if_field: &str, input: &str, then_field: &str, then_match: Field) -> Check {
    let is_input = Field::refined().matches(&format!("^{input}$"));
    Check::Conditional(Box::new(Conditional::new(if_field, is_input, then_field, then_match)))
}

/// What is hashed on must be named, and the fallback must be something else.
fn hash_checks() -> Vec<Check> {
    let named = |if_field: &str, input: &str, then_field: &str| {
        when(if_field, input, then_field, Field::refined().required())
    };
    let fallback = |input: &str, allowed: &[&str]| {
        when("hash_on", input, "hash_fallback", Field::refined().one_of(allowed.to_vec()))
    };
    vec![
        named("hash_on", "header", "hash_on_header"),
        named("hash_fallback", "header", "hash_fallback_header"),
        named("hash_on", "cookie", "hash_on_cookie"),
        named("hash_fallback", "cookie", "hash_on_cookie"),
        fallback("none", &["none"]),
        fallback("cookie", &["none"]),
        fallback("consumer", &["none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]),
        fallback("ip", &["none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"]),
        fallback("path", &["none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"]),
        Check::distinct(["hash_on_header", "hash_fallback_header"]),
        named("hash_on", "query_arg", "hash_on_query_arg"),
        named("hash_fallback", "query_arg", "hash_fallback_query_arg"),
        Check::distinct(["hash_on_query_arg", "hash_fallback_query_arg"]),
        named("hash_on", "uri_capture", "hash_on_uri_capture"),
        named("hash_fallback", "uri_capture", "hash_fallback_uri_capture"),
        Check::distinct(["hash_on_uri_capture", "hash_fallback_uri_capture"]),
    ]
}

fn seconds(default: u32) -> Field {
    Field::number().default(default).between(0.0, 65_535.0)
}

fn threshold() -> Field {
    Field::integer().default(0).between(0.0, 255.0)
}

fn statuses(default: &[u16]) -> Field {
    Field::array(Field::integer().between(100.0, 999.0)).default(default.to_vec())
}

fn probe_type() -> Field {
    Field::string().one_of(["tcp", "http", "https", "grpc", "grpcs"]).default("http")
}

/// A record whose default is made of the defaults of its fields.
fn record<const N: usize>(fields: [(&'static str, Field); N]) -> Field {
    let defaults: Map<String, Value> = fields
        .iter()
        .filter_map(|(name, field)| Some(((*name).to_owned(), field.default.clone()?)))
        .collect();
    Field::record(Record::new(fields)).default(defaults)
}

fn healthchecks() -> Field {
    const FAILING: [u16; 8] = [429, 404, 500, 501, 502, 503, 504, 505];
    const WORKING: [u16; 19] =
        [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308];
    let active = record([
        ("type", probe_type()),
        ("timeout", seconds(1)),
        ("concurrency", Field::integer().default(10).between(1.0, 2_147_483_648.0)),
        ("http_path", path().default("/")),
        ("https_sni", sni().optional()),
        ("https_verify_certificate", Field::boolean().default(true).required()),
        ("headers", headers().optional()),
        (
            "healthy",
            record([
                ("interval", seconds(0)),
                ("http_statuses", statuses(&[200, 302])),
                ("successes", threshold()),
            ]),
        ),
        (
            "unhealthy",
            record([
                ("interval", seconds(0)),
                ("http_statuses", statuses(&FAILING)),
                ("tcp_failures", threshold()),
                ("timeouts", threshold()),
                ("http_failures", threshold()),
            ]),
        ),
    ]);
    let passive = record([
        ("type", probe_type()),
        ("healthy", record([("http_statuses", statuses(&WORKING)), ("successes", threshold())])),
        (
            "unhealthy",
            record([
                ("http_statuses", statuses(&[429, 500, 503])),
                ("tcp_failures", threshold()),
                ("timeouts", threshold()),
                ("http_failures", threshold()),
            ]),
        ),
    ]);
    let mut field =
        record([("active", active), ("passive", passive)]).describe("How targets are probed and watched.");
    if let crate::schema::Kind::Record(Some(checks)) = &mut field.kind {
        let threshold = Field::number().default(0).between(0.0, 100.0);
        std::rc::Rc::make_mut(checks).fields.insert("threshold".to_owned(), threshold);
    }
    field
}
