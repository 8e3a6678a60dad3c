//! Services: the upstream APIs that requests are sent to.

use serde_json::{Map, Value, json};

use crate::schema::typedefs::url::Url;
use crate::schema::typedefs::{auto_timestamp_s, host, path, port, protocol, tags, utf8_name, uuid};
use crate::schema::{Check, Conditional, Field, Schema, Shorthand, Validator};

const DEFAULT_PROTOCOL: &str = "http";
const DEFAULT_PORT: u16 = 80;

/// The protocols with TLS certificates of their own.
const TLS_PROTOCOLS: [&str; 2] = ["https", "tls"];

/// The fields that only those protocols have.
const TLS_FIELDS: [&str; 4] = ["client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"];

/// The schema of services.
pub fn schema() -> Schema {
    let timeout = || Field::integer().between(1.0, 2_147_483_646.0).default(60_000);
    let schema = Schema::new("services", &["id"])
        .workspaceable()
        .endpoint_key("name")
        .dao("kong.db.dao.services")
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("name", utf8_name()),
            (
                "retries",
                Field::integer()
                    .default(5)
                    .between(0.0, 32767.0)
                    .describe("How often a request is tried again when the upstream fails."),
            ),
            ("protocol", protocol().required().default(DEFAULT_PROTOCOL)),
            ("host", host().required()),
            ("port", port().required().default(DEFAULT_PORT)),
            ("path", path()),
            ("connect_timeout", timeout()),
            ("write_timeout", timeout()),
            ("read_timeout", timeout()),
            ("tags", tags()),
            (
                "client_certificate",
                Field::foreign("certificates")
                    .describe("The certificate shown to the upstream when it asks for one."),
            ),
            ("tls_verify", Field::boolean().describe("Whether the upstream's certificate is verified.")),
            (
                "tls_verify_depth",
                Field::integer()
                    .default(Value::Null)
                    .between(0.0, 64.0)
                    .describe("The longest chain of certificates accepted from the upstream."),
            ),
            (
                "ca_certificates",
                Field::array(Field::string().with(Validator::Uuid))
                    .describe("IDs of the CA certificates trusted for the upstream."),
            ),
            (
                "enabled",
                Field::boolean().required().default(true).describe("Whether the service takes requests."),
            ),
        ])
        .entity_check(null_when(Field::refined().one_of(["tcp", "tls", "udp", "grpc", "grpcs"]), "path"))
        .shorthand(Shorthand::new("url", Field::string(), expand_url));
    TLS_FIELDS.iter().fold(schema, |schema, field| {
        schema.entity_check(null_when(Field::refined().not_one_of(TLS_PROTOCOLS), field))
    })
}

/// The field is null when the protocol fulfils the condition.
fn null_when(protocol: Field, field: &str) -> Check {
    Check::Conditional(Box::new(Conditional::new(
        "protocol",
        protocol,
        field,
        Field::refined().eq(Value::Null),
    )))
}

/// The four fields that a URL stands for.
fn expand_url(value: &Value) -> Option<Map<String, Value>> {
    // Kong takes null for the text that Lua prints it as
    let text = if value.is_null() { "userdata: NULL" } else { value.as_str().unwrap_or_default() };
    let url = Url::parse(text)?;
    let number = url.port.and_then(|port| port.parse::<u32>().ok());
    let by_port = match number {
        Some(80) => Some("http"),
        Some(443) => Some("https"),
        _ => None,
    };
    let protocol = url.scheme.or(by_port).unwrap_or(DEFAULT_PROTOCOL);
    let port = match (number, url.port, protocol) {
        (Some(number), _, _) => json!(number),
        (None, Some(port), _) => json!(port),
        (None, None, "https") => json!(443),
        _ => json!(DEFAULT_PORT),
    };
    let fields =
        [("protocol", json!(protocol)), ("host", json!(url.host)), ("port", port), ("path", json!(url.path))];
    Some(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
