//! Fields that many schemas share (`kong.db.schema.typedefs`).
//!
//! Each function makes a fresh field to refine: `typedefs::host().required()`. [`by_name`] serves them to Lua
//! schemas under their Kong names. The validators behind them are plain functions, by subject: [`address`],
//! [`mod@path`], [`mod@url`], [`names`], [`tls`].

pub mod address;
mod keys;
pub mod names;
mod not_der;
pub mod path;
mod plugins;
mod routing;
pub mod tls;
pub mod url;

use serde_json::Value;

pub use keys::{jwk, pem};
pub use plugins::{lua_code, propagation, queue};
pub use routing::{destinations, headers, hosts, methods, paths, router_path, sources};

use super::field::Field;

/// The protocols a service or a route can speak, sorted.
pub const PROTOCOLS: [&str; 8] = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];

/// The protocols that carry HTTP, sorted.
pub const HTTP_PROTOCOLS: [&str; 4] = ["grpc", "grpcs", "http", "https"];

/// The longest time to live that a store takes, in seconds.
const MAX_TTL: f64 = 100_000_000.0;

/// The largest timeout, in milliseconds.
const MAX_TIMEOUT: f64 = 2_147_483_646.0;

/// An HTTP method.
pub fn http_method() -> Field {
    Field::string().matches("^%u+$").describe("An HTTP method in capital letters, such as GET.")
}

/// A protocol.
pub fn protocol() -> Field {
    Field::string().one_of(PROTOCOLS).describe("The name of a protocol, such as http.")
}

/// A host without a port.
pub fn host() -> Field {
    Field::string().custom(address::host).describe("A host name or an IP address, without a port.")
}

/// The host of a Redis server.
pub fn redis_host() -> Field {
    Field::string().custom(address::host).describe("The host of the Redis server.")
}

/// A host, with a port or without.
pub fn host_with_optional_port() -> Field {
    Field::string()
        .custom(address::host_with_optional_port)
        .describe("A host name or an IP address, with a port or without.")
}

/// A host name with at most one wildcard.
pub fn wildcard_host() -> Field {
    Field::string()
        .custom(address::wildcard_host)
        .describe("A host name that may begin or end with a wildcard.")
}

/// An IP address.
pub fn ip() -> Field {
    Field::string().custom(address::ip).describe("An IPv4 or IPv6 address.")
}

/// An IP address or a range of them.
pub fn ip_or_cidr() -> Field {
    Field::string().custom(address::ip_or_cidr).describe("An IP address or a range in CIDR form.")
}

/// An IPv4 address or a range of them.
pub fn cidr_v4() -> Field {
    Field::string().custom(address::cidr_v4).describe("An IPv4 address or a range in CIDR form.")
}

/// A port.
pub fn port() -> Field {
    Field::integer().between(0.0, 65535.0).describe("A port number.")
}

/// A path.
pub fn path() -> Field {
    Field::string()
        .starts_with("/")
        .match_none(&[("//", "must not have empty segments")])
        .custom(path::path)
        .describe("A URL path. It begins with a slash and has no empty segments.")
}

/// A URL.
pub fn url() -> Field {
    Field::string().custom(url::url).describe("A URL with scheme and host.")
}

/// A cookie's name.
pub fn cookie_name() -> Field {
    Field::string().custom(names::cookie_name).describe("The name of a cookie.")
}

/// A header's name.
pub fn header_name() -> Field {
    Field::string().custom(names::header_name).describe("The name of an HTTP header.")
}

/// A timeout in milliseconds.
pub fn timeout() -> Field {
    Field::integer().between(0.0, MAX_TIMEOUT).describe("A timeout in milliseconds.")
}

/// An identifier that the gateway makes.
pub fn uuid() -> Field {
    Field::string().with(super::Validator::Uuid).auto().describe("The UUID of an entity.")
}

/// A time in seconds that the gateway sets.
pub fn auto_timestamp_s() -> Field {
    Field::integer().with(super::Validator::Timestamp).auto().describe("Seconds since 1970.")
}

/// A time in seconds and milliseconds that the gateway sets.
pub fn auto_timestamp_ms() -> Field {
    Field::number()
        .with(super::Validator::Timestamp)
        .auto()
        .describe("Seconds since 1970, with milliseconds.")
}

/// A foreign field that must be null.
fn no_foreign(reference: &str) -> Field {
    Field::foreign(reference).eq(Value::Null).describe("Null: no such entity can be set.")
}

/// No route.
pub fn no_route() -> Field {
    no_foreign("routes")
}

/// No service.
pub fn no_service() -> Field {
    no_foreign("services")
}

/// No consumer.
pub fn no_consumer() -> Field {
    no_foreign("consumers")
}

/// A unique name of ASCII letters, digits and a few marks.
pub fn name() -> Field {
    Field::string().unique().custom(names::name).describe("A unique name.")
}

/// A unique name in UTF-8.
pub fn utf8_name() -> Field {
    Field::string().unique().custom(names::utf8_name).describe("A unique name, in UTF-8.")
}

/// A TLS server name.
pub fn sni() -> Field {
    Field::string().custom(address::sni).describe("A TLS server name.")
}

/// The TLS server name of a Redis server.
pub fn redis_server_name() -> Field {
    Field::string().custom(address::sni).describe("The TLS server name of the Redis server.")
}

/// A certificate in PEM.
pub fn certificate() -> Field {
    Field::string().custom(tls::certificate).describe("A certificate in PEM.")
}

/// A key in PEM.
pub fn key() -> Field {
    Field::string().custom(tls::key).describe("A private or public key in PEM.")
}

/// A tag.
pub fn tag() -> Field {
    Field::string().required().custom(names::tag).describe("A word to find entities by.")
}

/// Tags.
pub fn tags() -> Field {
    Field::set(tag()).describe("Words to find the entity by.")
}

/// What a node can do, by name.
pub fn capability() -> Field {
    Field::string().describe("The name of an RPC capability.")
}

/// Protocols; all that carry HTTP unless said otherwise.
pub fn protocols() -> Field {
    Field::set(protocol()).required().default(HTTP_PROTOCOLS.to_vec()).describe("Protocols, by name.")
}

/// Protocols that carry HTTP.
pub fn protocols_http() -> Field {
    Field::set(Field::string().one_of(HTTP_PROTOCOLS))
        .required()
        .default(HTTP_PROTOCOLS.to_vec())
        .describe("Protocols that carry HTTP, by name.")
}

/// A version in the form 1.2.3.
pub fn semantic_version() -> Field {
    Field::string()
        .match_any(
            &["^%d+[%.%d]*$", "^%d+[%.%d]*%-?.*$"],
            "invalid version number: must be in format of X.Y.Z",
        )
        .match_none(&[("%.%.", "must not have empty version segments")])
        .describe("A version in the form X.Y.Z, with a build after a hyphen or without.")
}

/// A time to live in seconds.
pub fn ttl() -> Field {
    Field::number().between(0.0, MAX_TTL).describe("Seconds until the entity expires.")
}

/// A field that must be null instead of what it usually is.
pub fn none_of(field: Field) -> Field {
    field.eq(Value::Null)
}

/// A Kong name and the function that makes the field.
type Named = (&'static str, fn() -> Field);

/// Kong's names of the fields above.
const NAMES: &[Named] = &[
    ("http_method", http_method),
    ("protocol", protocol),
    ("host", host),
    ("redis_host", redis_host),
    ("host_with_optional_port", host_with_optional_port),
    ("wildcard_host", wildcard_host),
    ("ip", ip),
    ("ip_or_cidr", ip_or_cidr),
    ("cidr_v4", cidr_v4),
    ("cidr", cidr_v4),
    ("port", port),
    ("path", path),
    ("url", url),
    ("cookie_name", cookie_name),
    ("header_name", header_name),
    ("timeout", timeout),
    ("uuid", uuid),
    ("auto_timestamp_s", auto_timestamp_s),
    ("auto_timestamp_ms", auto_timestamp_ms),
    ("no_route", no_route),
    ("no_service", no_service),
    ("no_consumer", no_consumer),
    ("name", name),
    ("utf8_name", utf8_name),
    ("sni", sni),
    ("redis_server_name", redis_server_name),
    ("certificate", certificate),
    ("key", key),
    ("tag", tag),
    ("tags", tags),
    ("capability", capability),
    ("protocols", protocols),
    ("protocols_http", protocols_http),
    ("sources", sources),
    ("no_sources", || none_of(sources())),
    ("destinations", destinations),
    ("no_destinations", || none_of(destinations())),
    ("methods", methods),
    ("no_methods", || none_of(methods())),
    ("hosts", hosts),
    ("no_hosts", || none_of(hosts())),
    ("router_path", router_path),
    ("router_paths", paths),
    ("no_paths", || none_of(paths())),
    ("headers", headers),
    ("no_headers", || none_of(headers())),
    ("semantic_version", semantic_version),
    ("pem", pem),
    ("jwk", jwk),
    ("queue", queue),
    ("propagation", propagation),
    ("lua_code", lua_code),
    ("ttl", ttl),
];

/// The field of this Kong name.
pub fn by_name(name: &str) -> Option<Field> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// The Kong names of all fields.
pub fn all_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}
