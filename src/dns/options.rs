//! How names are resolved: the `dns_*` or `resolver_*` properties, with the system's files applied.

use std::net::SocketAddr;
use std::time::Duration;

use super::hosts::Hosts;
use super::record::Kind;
use super::resolv_conf::ResolvConf;

/// An element of the order in which types are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderItem {
    /// The type that worked last time.
    Last,
    /// A type.
    Kind(Kind),
}

impl OrderItem {
    /// Reads an element of `dns_order` or `resolver_family`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "LAST" => Self::Last,
            "A" => Self::Kind(Kind::A),
            "AAAA" => Self::Kind(Kind::Aaaa),
            "CNAME" => Self::Kind(Kind::Cname),
            "SRV" => Self::Kind(Kind::Srv),
            _ => return None,
        })
    }
}

/// Everything a [`super::Resolver`] needs to know.
#[derive(Debug, Clone)]
pub struct DnsOptions {
    /// `dns_resolver` or `resolver_address`, or else those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Names that need not be asked.
    pub hosts: Hosts,
    /// `dns_order` or `resolver_family`.
    pub order: Vec<OrderItem>,
    /// Overrides the TTL of records.
    pub valid_ttl: Option<Duration>,
    /// How long a stale answer is used.
    pub stale_ttl: Duration,
    /// How long names without records are remembered.
    pub not_found_ttl: Duration,
    /// How long other errors are remembered.
    pub error_ttl: Duration,
    /// Number of names kept.
    pub cache_size: usize,
    /// Whether everybody asks on their own rather than waiting for a question under way.
    pub no_sync: bool,
    /// How long to wait for a reply.
    pub timeout: Duration,
    /// How often to ask.
    pub attempts: usize,
    /// Whether to start with another name server each time.
    pub rotate: bool,
    /// Names with fewer dots get the search domains first.
    pub ndots: usize,
    /// Domains to append.
    pub search: Vec<String>,
}

impl Default for DnsOptions {
    /// The defaults of kong.conf, without name servers.
    fn default() -> Self {
        use OrderItem::{Kind as Type, Last};
        Self {
            name_servers: Vec::new(),
            hosts: Hosts::parse(""),
            order: vec![Last, Type(Kind::Srv), Type(Kind::A), Type(Kind::Cname)],
            valid_ttl: None,
            stale_ttl: Duration::from_secs(3600),
            not_found_ttl: Duration::from_secs(30),
            error_ttl: Duration::from_secs(1),
            cache_size: 10_000,
            no_sync: false,
            timeout: Duration::from_secs(2),
            attempts: 5,
            rotate: false,
            ndots: 1,
            search: Vec::new(),
        }
    }
}

impl DnsOptions {
    /// Takes over what the system says; its name servers only when there are none yet.
    pub fn apply_system(&mut self, system: ResolvConf) {
        if self.name_servers.is_empty() {
            self.name_servers = system.name_servers;
        }
        self.search = system.search;
        self.rotate = system.rotate;
        self.ndots = system.ndots.unwrap_or(self.ndots);
        self.attempts = system.attempts.unwrap_or(self.attempts).max(1);
        if let Some(seconds) = system.timeout.filter(|seconds| *seconds > 0) {
            self.timeout = Duration::from_secs(seconds);
        }
    }
}
