//! How names are resolved: the `dns_*` or `resolver_*` properties, with the system's files applied.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::hosts::Hosts;
use super::record::Kind;
use super::resolv_conf::ResolvConf;
use crate::conf::Conf;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The port of name servers that are given without one.
const PORT: u16 = 53;

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
    /// `new_dns_client`: SRV records are asked for `_service._protocol.name` only, addresses for all
    /// other names, and records that came along under an alias count as an answer.
    pub new_client: bool,
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
            new_client: false,
        }
    }
}

impl DnsOptions {
    /// Reads the properties of the client in use, then the hosts file and `resolv.conf`.
    ///
    /// *Cost*: reads files; once per worker. Files that cannot be read count as empty.
    pub fn from_conf(conf: &Conf) -> Self {
        let (addresses, order, hosts_file) = match conf.new_dns_client {
            true => (&conf.resolver_address, &conf.resolver_family, &conf.resolver_hosts_file),
            false => (&conf.dns_resolver, &conf.dns_order, &conf.dns_hostsfile),
        };
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let mut options = Self {
            name_servers: addresses.iter().filter_map(|address| name_server(address)).collect(),
            order: order.iter().filter_map(|name| OrderItem::from_name(name)).collect(),
            hosts: Hosts::parse(&read(hosts_file)),
            no_sync: conf.dns_no_sync,
            new_client: conf.new_dns_client,
            ..Self::default()
        };
        if conf.new_dns_client {
            options.valid_ttl = conf.resolver_valid_ttl;
            options.stale_ttl = conf.resolver_stale_ttl;
            options.error_ttl = conf.resolver_error_ttl;
            options.not_found_ttl = conf.resolver_error_ttl;
            options.cache_size = conf.resolver_lru_cache_size;
        } else {
            options.valid_ttl = conf.dns_valid_ttl;
            options.stale_ttl = conf.dns_stale_ttl;
            options.error_ttl = conf.dns_error_ttl;
            options.not_found_ttl = conf.dns_not_found_ttl;
            options.cache_size = conf.dns_cache_size;
        }
        let mut system = ResolvConf::parse(&read(Path::new(RESOLV_CONF)));
        let variable = |name| std::env::var(name).unwrap_or_default();
        system.apply_environment(&variable("LOCALDOMAIN"), &variable("RES_OPTIONS"));
        options.apply_system(system);
        options
    }

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

/// Reads an address with or without a port.
fn name_server(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_matches(['[', ']']).parse().ok();
    let with_default_port = || bare().map(|ip: IpAddr| SocketAddr::new(ip, PORT));
    text.parse().ok().or_else(with_default_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_come_with_or_without_a_port() {
        for (text, address) in [
            ("1.2.3.4", "1.2.3.4:53"),
            ("1.2.3.4:5353", "1.2.3.4:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:54", "[::1]:54"),
        ] {
            assert_eq!(name_server(text), address.parse().ok(), "of {text}");
        }
        assert_eq!(name_server("name"), None);
    }

    #[test]
    fn the_system_gives_name_servers_only_when_there_are_none() {
        let system = ResolvConf::parse("nameserver 9.9.9.9\noptions ndots:3 attempts:0 timeout:0\n");
        let mut options = DnsOptions::default();
        options.apply_system(system.clone());
        assert_eq!(options.name_servers, ["9.9.9.9:53".parse().unwrap()]);
        assert_eq!((options.ndots, options.attempts), (3, 1));
        assert_eq!(options.timeout, Duration::from_secs(2));
        let own = vec!["1.1.1.1:53".parse().unwrap()];
        let mut options = DnsOptions { name_servers: own.clone(), ..Default::default() };
        options.apply_system(system);
        assert_eq!(options.name_servers, own);
    }
}
