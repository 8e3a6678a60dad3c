//! Upstreams and their targets as plain data.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::health::Checks;

/// How an address is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Algorithm {
    #[default]
    RoundRobin,
    ConsistentHashing,
    LeastConnections,
    Latency,
}

impl Algorithm {
    /// Reads the name used in the `algorithm` field.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "round-robin" => Self::RoundRobin,
            "consistent-hashing" => Self::ConsistentHashing,
            "least-connections" => Self::LeastConnections,
            "latency" => Self::Latency,
            _ => return None,
        })
    }
}

/// What consistent hashing hashes: `hash_on` or `hash_fallback` with the field that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashOn {
    /// Nothing.
    #[default]
    None,
    /// The id of the consumer, or else of the credential.
    Consumer,
    /// The client's address.
    Ip,
    /// A field of the request.
    Header(String),
    /// A cookie; one is set when the client has none.
    Cookie {
        /// Its name.
        name: String,
        /// Its path.
        path: String,
    },
    /// The decoded path.
    Path,
    /// A query argument.
    QueryArg(String),
    /// A group captured by the route's path.
    UriCapture(String),
}

/// An upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamSpec {
    /// Its id: health is kept under it.
    pub id: Uuid,
    /// The name that services use as host.
    pub name: String,
    /// How an address is chosen.
    pub algorithm: Algorithm,
    /// Size of the ring of consistent hashing.
    pub slots: u32,
    /// What is hashed.
    pub hash_on: HashOn,
    /// What is hashed when the former has no value.
    pub hash_fallback: HashOn,
    /// The host name for all targets.
    pub host_header: Option<String>,
    /// Whether the names that SRV records lead to are used as host names.
    pub use_srv_name: bool,
    /// The percentage of the weight that must be exceeded by what is available.
    pub threshold: f64,
    /// Thresholds that responses count towards; `None` when health checks are off altogether.
    pub passive: Option<Checks>,
    /// How addresses are probed; `None` when they are not.
    pub active: Option<ActiveChecks>,
    /// Whether health is told at all: some interval or threshold of a failure is set.
    pub checked: bool,
    /// The workspace's id and the name, as log lines of health checks have them.
    pub log_name: String,
    /// Where requests go.
    pub targets: Vec<TargetSpec>,
}

impl Default for UpstreamSpec {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            name: String::new(),
            algorithm: Algorithm::default(),
            slots: 10_000,
            hash_on: HashOn::None,
            hash_fallback: HashOn::None,
            host_header: None,
            use_srv_name: false,
            threshold: 0.0,
            passive: None,
            active: None,
            checked: false,
            log_name: String::new(),
            targets: Vec::new(),
        }
    }
}

/// How the addresses of an upstream are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveChecks {
    /// Whether over TLS.
    pub tls: bool,
    /// How long each step of a probe may take.
    pub timeout: Duration,
    /// Probes at once.
    pub concurrency: usize,
    /// What is asked for.
    pub path: String,
    /// Fields of the request.
    pub headers: Vec<(String, String)>,
    /// The server name, instead of that of the target.
    pub sni: Option<String>,
    /// Whether the server's certificate must verify.
    pub verify: bool,
    /// Id of the certificate entity that is shown.
    pub client_certificate: Option<Arc<str>>,
    /// Between rounds over addresses that are available; zero for none.
    pub healthy_interval: Duration,
    /// Between rounds over those that are not; zero for none.
    pub unhealthy_interval: Duration,
    /// What counts, and how far.
    pub checks: Checks,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// A name or an address.
    pub host: String,
    /// The port, unless an SRV record says otherwise.
    pub port: u16,
    /// Its share, unless an SRV record says otherwise. 0 disables the target.
    pub weight: u32,
}

impl TargetSpec {
    /// Takes the `target` field apart, which is always in the form `host:port`.
    pub fn new(target: &str, weight: u32) -> Option<Self> {
        let (host, port) = target.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()?, weight })
    }
}
