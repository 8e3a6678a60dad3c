//! From a service's host to the peer that gets the request.
//!
//! A host that names an upstream is balanced over the addresses of its targets; any other host is
//! resolved and that is all. Each worker has its own [`Balancers`], whose positions, connection
//! counts and latencies nobody else touches. Health is what workers share: [`HealthBoards`] hold it
//! in atomics, and a balancer notices changes by a version number.
//!
//! Addresses follow DNS: a target may resolve to several, a renewed answer adds, removes and
//! reweighs them without disturbing the others.
//!
//! - [`spec`]: upstreams and targets as plain data
//! - [`target`]: what a DNS answer makes of a target
//! - [`upstream`]: one upstream's addresses and the algorithm over them
//! - [`round_robin`], [`consistent_hashing`], [`least_connections`], [`latency`]: the algorithms
//! - [`health`]: counters and thresholds of health checks
//! - [`health_record`]: what of it the next process finds
//! - [`status`]: what the Admin API tells
//! - [`hash_input`]: the value that consistent hashing hashes
//! - [`balancers`]: all upstreams of a worker
//! - [`host_header`]: the `Host` that goes upstream

mod balancers;
mod consistent_hashing;
mod hash_input;
mod health;
mod health_record;
mod host_header;
mod latency;
mod least_connections;
mod round_robin;
mod spec;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod upstream;
mod xxhash;

pub use balancers::{Balancers, PickInput};
pub use hash_input::{HashCookie, HashSource, hash_value};
pub use health::{Checks, Counted, Health, HealthBoard, HealthBoards, Outcome};
pub use host_header::push_host_header;
pub use spec::{ActiveChecks, Algorithm, HashOn, TargetSpec, UpstreamSpec};
pub use status::{AddressStatus, TargetStatus, UpstreamStatus};
pub use target::AddressHost;
pub use upstream::{Balancer, Choice, Probed};

use std::net::IpAddr;
use std::rc::Rc;

use crate::dns::{DnsError, Unresolved};

/// Tells the addresses of a balancer apart for as long as the balancer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressId(u64);

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address to connect to.
    pub ip: IpAddr,
    /// The port to connect to.
    pub port: u16,
    /// The host name that goes upstream, unless the client's is preserved; `None` for the service's
    /// own host.
    pub hostname: Option<Rc<str>>,
    /// Which address of its balancer this is; none without an upstream.
    pub address: Option<AddressId>,
}

/// Why there is no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BalancerError {
    /// Too little of the upstream's weight is available.
    #[error("Balancer is unhealthy")]
    Unhealthy,
    /// No address is available.
    #[error("No peers are available")]
    NoPeers,
    /// A host that is no upstream does not resolve.
    #[error("{0}")]
    Host(Unresolved),
    /// A name that a target's SRV record leads to does not resolve.
    #[error("{0}")]
    Target(Unresolved),
}

impl BalancerError {
    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unhealthy | Self::NoPeers => 503,
            Self::Host(unresolved) if unresolved.error.is_not_found() => 503,
            Self::Host(_) | Self::Target(_) => 500,
        }
    }

    /// The message in the response.
    pub fn message(&self) -> String {
        match self {
            Self::Unhealthy | Self::NoPeers => "failure to get a peer from the ring-balancer".to_owned(),
            Self::Host(unresolved) if unresolved.error.is_not_found() => "name resolution failed".to_owned(),
            Self::Host(unresolved) => unresolved.error.to_string(),
            Self::Target(unresolved) => unresolved.to_string(),
        }
    }

    /// The error of the name server, if that is what it was.
    pub fn dns_error(&self) -> Option<&DnsError> {
        match self {
            Self::Host(unresolved) | Self::Target(unresolved) => Some(&unresolved.error),
            Self::Unhealthy | Self::NoPeers => None,
        }
    }
}
