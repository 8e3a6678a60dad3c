//! What a DNS answer makes of a target: the addresses that its share is spread over.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::spec::TargetSpec;
use crate::dns::{Answer, Data, DnsError};

/// A target that does not resolve is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long a target whose records have no TTL counts as one address that is resolved each time.
const NO_TTL_INTERVAL: Duration = Duration::from_secs(60);
/// A weight of 0 in an SRV record means the least share, not none.
const LEAST_WEIGHT: u32 = 1;

/// A target and what is known about it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) spec: TargetSpec,
    /// When to resolve it again; `None` before the first time.
    pub(super) expires: Option<Instant>,
    pub(super) state: TargetState,
}

/// How a target resolved last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetState {
    Unresolved,
    Failed(DnsError),
    /// With the name of the record type.
    Resolved(&'static str),
    /// Records without TTL: the name itself is the address.
    NoTtl,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressHost {
    /// An address.
    Ip(IpAddr),
    /// A name, resolved each time.
    Name(String),
}

/// An address that a target should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) host: AddressHost,
    pub(super) port: u16,
    pub(super) weight: u32,
}

impl Target {
    pub(super) fn new(spec: TargetSpec) -> Self {
        Self { spec, expires: None, state: TargetState::Unresolved }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| expires < now)
    }

    /// Takes over a resolution; returns the addresses that the target has from now on.
    ///
    /// *Kong parity*: a target that fails to resolve loses its addresses.
    pub(super) fn take_over(&mut self, result: Result<&Answer, &DnsError>, now: Instant) -> Vec<Wanted> {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                self.expires = Some(now + RETRY_AFTER);
                self.state = TargetState::Failed(error.clone());
                return Vec::new();
            }
        };
        let no_ttl = answer.records.first().is_some_and(|record| record.ttl == 0);
        if no_ttl {
            self.expires = Some(now + NO_TTL_INTERVAL);
            self.state = TargetState::NoTtl;
            let host = AddressHost::Name(self.spec.host.clone());
            return vec![Wanted { host, port: self.spec.port, weight: self.spec.weight }];
        }
        self.expires = Some(answer.expires);
        self.state = TargetState::Resolved(match answer.records.first().map(|record| &record.data) {
            Some(Data::Address(IpAddr::V4(_))) => "A",
            Some(Data::Address(IpAddr::V6(_))) => "AAAA",
            Some(Data::Srv { .. }) => "SRV",
            Some(Data::Cname(_)) => "CNAME",
            None => "unknown",
        });
        let mut wanted = self.wanted(answer);
        wanted.sort_by_key(|address| (address.sort_text(), address.port));
        wanted
    }

    fn wanted(&self, answer: &Answer) -> Vec<Wanted> {
        let top = answer.records.iter().filter_map(|record| match record.data {
            Data::Srv { priority, .. } => Some(priority),
            _ => None,
        });
        let top = top.min();
        let address = |data: &Data| match data {
            Data::Address(ip) => {
                Some(Wanted { host: AddressHost::Ip(*ip), port: self.spec.port, weight: self.spec.weight })
            }
            Data::Srv { priority, weight, port, target } if Some(*priority) == top => Some(Wanted {
                host: target.parse().map_or_else(|_| AddressHost::Name(target.clone()), AddressHost::Ip),
                port: if *port == 0 { self.spec.port } else { *port },
                weight: u32::from(*weight).max(LEAST_WEIGHT),
            }),
            _ => None,
        };
        answer.records.iter().filter_map(|record| address(&record.data)).collect()
    }
}

impl Wanted {
    fn sort_text(&self) -> String {
        self.host.to_string()
    }
}

impl std::fmt::Display for AddressHost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(out, "[{ip}]"),
            Self::Ip(ip) => write!(out, "{ip}"),
            Self::Name(name) => out.write_str(name),
        }
    }
}
