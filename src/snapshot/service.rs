//! Services at run time.

use super::read;
use crate::db::Entity;
use crate::http::Scheme;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

/// Limits on waiting for an upstream, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: u32,
    /// Between two writes.
    pub write: u32,
    /// Between two reads.
    pub read: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { connect: 60_000, write: 60_000, read: 60_000 }
    }
}

/// A service, its fields as the request path wants them.
#[derive(Debug)]
pub struct Service {
    /// Primary key.
    pub id: Arc<str>,
    /// Its name, when it has one.
    pub name: Option<Arc<str>>,
    /// Whether its routes are served.
    pub enabled: bool,
    /// `protocol` as configured: `http`, `https`, `grpc`, `grpcs`, `tcp`, `tls`, `udp`, `tls_passthrough`, `ws`, `wss`.
    pub protocol: Arc<str>,
    /// The scheme that the protocol speaks over.
    pub scheme: Scheme,
    /// IP address, host name, or name of an upstream.
    pub host: Arc<str>,
    /// The host as an address, when it is one.
    pub address: Option<IpAddr>,
    /// The port; ignored when `host` names an upstream.
    pub port: u16,
    /// Path put before the request's.
    pub path: Option<Arc<str>>,
    /// Tries after the first.
    pub retries: u32,
    /// Limits on waiting for the upstream.
    pub timeouts: Timeouts,
    /// Whether the upstream's certificate must verify; `None` leaves it to the configuration.
    pub tls_verify: Option<bool>,
    /// How long the upstream's chain may be.
    pub tls_verify_depth: Option<u32>,
    /// Ids of the CA certificates to verify against.
    pub ca_certificates: Vec<Arc<str>>,
    /// Id of the certificate shown to the upstream.
    pub client_certificate: Option<Arc<str>>,
    /// The entity as stored, for `kong.router.get_service()` and logs.
    pub entity: Arc<Entity>,
}

impl Service {
    /// The run-time form of a stored service.
    pub(super) fn of(entity: Arc<Entity>) -> Service {
        let protocol: Arc<str> = read::shared(&entity, "protocol").unwrap_or_else(|| "http".into());
        let milliseconds = |field| read::integer(&entity, field).map_or(60_000, |ms| ms.max(1) as u32);
        let host: Arc<str> = read::shared(&entity, "host").unwrap_or_else(|| "".into());
        Service {
            id: read::shared(&entity, "id").unwrap_or_else(|| "".into()),
            name: read::shared(&entity, "name"),
            enabled: read::flag(&entity, "enabled").unwrap_or(true),
            scheme: scheme_of(&protocol),
            protocol,
            address: host.trim_start_matches('[').trim_end_matches(']').parse().ok(),
            host,
            port: read::integer(&entity, "port").map_or(80, |port| port as u16),
            path: read::shared(&entity, "path"),
            retries: read::integer(&entity, "retries").map_or(5, |retries| retries as u32),
            timeouts: Timeouts {
                connect: milliseconds("connect_timeout"),
                write: milliseconds("write_timeout"),
                read: milliseconds("read_timeout"),
            },
            tls_verify: read::flag(&entity, "tls_verify"),
            tls_verify_depth: read::integer(&entity, "tls_verify_depth").map(|depth| depth as u32),
            ca_certificates: read::list(&entity, "ca_certificates")
                .filter_map(Value::as_str)
                .map(Arc::from)
                .collect(),
            client_certificate: read::foreign(&entity, "client_certificate").map(Arc::from),
            entity,
        }
    }
}

/// The scheme that a service's protocol speaks over.
fn scheme_of(protocol: &str) -> Scheme {
    match protocol {
        "https" | "grpcs" | "tls" | "wss" => Scheme::Https,
        _ => Scheme::Http,
    }
}
