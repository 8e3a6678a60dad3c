//! Names to addresses.
//!
//! Each worker has one [`Resolver`]: it reads the hosts file and `resolv.conf` once, asks name
//! servers, and keeps answers for as long as they may be used: fresh by their TTL, then stale for a
//! while longer, being refreshed in the background as soon as somebody asks. An answer that is in
//! the cache is found without allocation, system call or await ([`Resolver::cached`]).
//!
//! What is asked, and in which order, follows `dns_order`: the type that worked last, then SRV, A,
//! CNAME, each with the search domains applied. SRV and CNAME answers are followed to addresses.
//!
//! *Kong parity*: order, lifetimes, error texts and the list of what was tried are those of Kong's
//! DNS client. `new_dns_client` selects other properties, not other code.
//!
//! - [`options`]: the properties, from either family
//! - [`hosts`], [`resolv_conf`]: the system's files
//! - [`record`]: records and answers, and which record of an answer is next
//! - [`cache`]: answers by name and type
//! - [`name_server`]: one question on the wire
//! - [`names`]: what a name is
//! - [`lookup`]: one resolution, from candidates to what is kept of a reply
//! - [`resolver`]: all of it together, as others see it
//! - [`stats`]: what was asked and what came of it
//! - [`tries`]: the list in error messages of what was tried

mod cache;
mod hosts;
mod lookup;
mod name_server;
mod names;
mod options;
mod record;
mod resolv_conf;
mod resolver;
mod stats;
#[cfg(test)]
mod tests;
mod tries;

pub use hosts::Hosts;
pub use options::{DnsOptions, OrderItem};
pub use record::{Answer, Data, Kind, Record};
pub use resolv_conf::ResolvConf;
pub use resolver::{Address, Resolver};
pub use tries::Tries;

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// A name server answered with an error.
    #[error("dns server error: {code} {text}")]
    Server {
        /// The response code.
        code: u16,
        /// Its name.
        text: &'static str,
    },
    /// Nothing may be asked, and the cache does not know.
    #[error("dns server error: 100 cache only lookup failed")]
    NotCached,
    /// An answer without records.
    #[error("dns client error: 101 empty record received")]
    Empty,
    /// The name looks like an IPv4 address but is none.
    #[error("dns client error: 102 invalid name, bad IPv4")]
    BadIpv4,
    /// The name looks like an IPv6 address but is none.
    #[error("dns client error: 103 invalid name, bad IPv6")]
    BadIpv6,
    /// Aliases lead back to where they came from.
    #[error("recursion detected")]
    Recursion,
    /// No name server could be asked.
    #[error("{0}")]
    Exchange(String),
}

impl DnsError {
    /// Whether the name does not exist or has no records: a 503 rather than a 500.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Empty | Self::Server { code: 3, .. })
    }

    /// The error for a response code.
    fn from_code(code: u16) -> Self {
        let text = match code {
            1 => "format error",
            2 => "server failure",
            3 => "name error",
            4 => "not implemented",
            5 => "refused",
            _ => "unknown",
        };
        Self::Server { code, text }
    }
}

/// A failed resolution, with everything that was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}. Tried: {tries}")]
pub struct Unresolved {
    /// What went wrong last.
    pub error: DnsError,
    /// What was tried.
    pub tries: Tries,
}
