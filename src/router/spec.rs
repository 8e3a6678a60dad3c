//! What the router is told about a route: plain data taken from the route and its service.

use std::net::IpAddr;

use uuid::Uuid;

/// How routes are written and ordered: the `router_flavor` property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavor {
    /// Categories of matching attributes, PCRE regexes, `path_handling` v1.
    Traditional,
    /// Traditional fields, translated to expressions with a 64-bit priority.
    #[default]
    TraditionalCompatible,
    /// Routes with an `expression` and a `priority`, beside translated traditional ones.
    Expressions,
}

impl Flavor {
    /// Reads the name used in kong.conf.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "traditional" => Self::Traditional,
            "traditional_compatible" => Self::TraditionalCompatible,
            "expressions" => Self::Expressions,
            _ => return None,
        })
    }
}

/// Which listeners a router serves; routes of the other subsystem are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subsystem {
    /// http, https, grpc, grpcs.
    #[default]
    Http,
    /// tcp, tls, udp, `tls_passthrough`.
    Stream,
}

/// A protocol that a route allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Protocol {
    Http,
    Https,
    Grpc,
    Grpcs,
    Tcp,
    Tls,
    Udp,
    TlsPassthrough,
}

impl Protocol {
    /// Reads the name used in the `protocols` field.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "http" => Self::Http,
            "https" => Self::Https,
            "grpc" => Self::Grpc,
            "grpcs" => Self::Grpcs,
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "udp" => Self::Udp,
            "tls_passthrough" => Self::TlsPassthrough,
            _ => return None,
        })
    }

    /// The subsystem whose listeners speak this protocol.
    pub fn subsystem(self) -> Subsystem {
        match self {
            Self::Http | Self::Https | Self::Grpc | Self::Grpcs => Subsystem::Http,
            Self::Tcp | Self::Tls | Self::Udp | Self::TlsPassthrough => Subsystem::Stream,
        }
    }
}

/// How service path, route path and request path are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathHandling {
    /// Joins with exactly one slash.
    #[default]
    V0,
    /// Joins as written; only honoured by [`Flavor::Traditional`].
    V1,
}

/// One element of `sources` or `destinations`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// An address or a CIDR block.
    pub ip: Option<String>,
    /// A port; any when absent.
    pub port: Option<u16>,
}

/// A route as the router sees it. Empty lists mean that the field is not set.
#[derive(Debug, Clone, Default)]
pub struct RouteSpec {
    /// Handed back in [`super::Match::route`].
    pub index: usize,
    /// Breaks ties between equal priorities: the greater id wins.
    pub id: Uuid,
    /// Seconds since the epoch; the older route wins ties in [`Flavor::Traditional`].
    pub created_at: Option<i64>,
    /// At least one.
    pub protocols: Vec<Protocol>,
    /// *Kong parity*: a present but empty list still counts as "plain hosts only" in the priority.
    pub hosts: Option<Vec<String>>,
    /// A leading `~` marks a regex.
    pub paths: Vec<String>,
    /// Upper-case method names.
    pub methods: Vec<String>,
    /// Values per field name; one value must match for each name.
    pub headers: Vec<(String, Vec<String>)>,
    /// Server names, a `*` allowed at either end.
    pub snis: Vec<String>,
    /// Client addresses.
    pub sources: Vec<Endpoint>,
    /// Our addresses.
    pub destinations: Vec<Endpoint>,
    /// Orders regex paths.
    pub regex_priority: i64,
    /// Only for [`Flavor::Expressions`]; replaces all matching fields above.
    pub expression: Option<String>,
    /// Orders expressions.
    pub priority: u64,
    /// Whether the matched path prefix is cut off.
    pub strip_path: bool,
    /// How paths are joined.
    pub path_handling: PathHandling,
    /// The `path` of the service.
    pub service_path: Option<String>,
}

impl RouteSpec {
    /// Whether the route belongs to the stream subsystem, by its first protocol.
    pub(super) fn is_stream(&self) -> bool {
        self.protocols.first().is_some_and(|protocol| protocol.subsystem() == Subsystem::Stream)
    }
}

/// An address block: `10.0.0.0/8`, or a single address with its full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The first address of the block.
    pub network: IpAddr,
    /// Length of the prefix in bits.
    pub length: u8,
}

impl Cidr {
    /// Whether `address` lies in the block; never across address families.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.length.min(32));
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.length.min(128));
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
