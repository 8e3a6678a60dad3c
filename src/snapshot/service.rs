//! Services at run time.

use crate::exchange::Timeouts;
use crate::http::Scheme;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A service, its fields as the request path wants them.
#[derive(Debug)]
pub struct Service {
    /// Primary key.
    pub id: Arc<str>,
    /// Its name, when it has one.
    pub name: Option<Arc<str>>,
    /// `protocol` as configured: `http`, `https`, `grpc`, `grpcs`, `tcp`, `tls`, `udp`, `tls_passthrough`, `ws`, `wss`.
    pub protocol: Arc<str>,
    /// The scheme that the protocol speaks over.
    pub scheme: Scheme,
    /// IP address, host name, or name of an upstream.
    pub host: Arc<str>,
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
    pub entity: Arc<Map<String, Value>>,
}
