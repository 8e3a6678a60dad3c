//! One traditional route with one path at most, and whether a request matches it.

use std::net::IpAddr;

use pcre2::bytes::Regex;

use super::host::Host;
use super::kind;
use super::path::Path;
use super::request::TraditionalRequest;
use crate::router::expression::{Field, FieldKey, Hint, Hints, Trace, address_bytes};
use crate::router::input::Scheme;
use crate::router::rank::{Order, biased, descending};
use crate::router::spec::{Cidr, Endpoint, RouteSpec};

const HAS_REGEX_PATH: u8 = 0x01;
const PLAIN_HOSTS_ONLY: u8 = 0x02;
const HAS_WILDCARD_HOST_PORT: u8 = 0x04;

/// A route with one of its paths.
#[derive(Debug)]
pub(in crate::router) struct TraditionalRoute {
    pub(super) hosts: Vec<Host>,
    pub(super) headers: Vec<Header>,
    pub(super) path: Option<Path>,
    pub(super) methods: Vec<String>,
    pub(super) snis: Vec<String>,
    pub(super) sources: Vec<Address>,
    pub(super) destinations: Vec<Address>,
    pub(super) kinds: u8,
    order: Order,
}

#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: String,
    values: Vec<String>,
    pattern: Option<Regex>,
}

#[derive(Debug)]
pub(super) struct Address {
    block: Option<Cidr>,
    port: Option<u16>,
}

impl TraditionalRoute {
    /// Takes over `spec` with one of its paths.
    ///
    /// *Errors*: why the route cannot be used.
    pub(in crate::router) fn new(spec: &RouteSpec, path: Option<&String>) -> Result<Self, String> {
        let hosts: Vec<Host> = spec.hosts.iter().flatten().map(|host| Host::new(host)).collect();
        let headers = spec
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .map(|(name, values)| Header::new(name, values))
            .collect::<Result<Vec<_>, _>>()?;
        let sources = addresses(&spec.sources)?;
        let destinations = addresses(&spec.destinations)?;
        let path = path.map(|path| Path::new(path)).transpose()?;
        let kinds = [
            (kind::HOST, !hosts.is_empty()),
            (kind::HEADER, !headers.is_empty()),
            (kind::URI, path.is_some()),
            (kind::METHOD, !spec.methods.is_empty()),
            (kind::SNI, !spec.snis.is_empty()),
            (kind::SRC, !sources.is_empty()),
            (kind::DST, !destinations.is_empty()),
        ];
        let kinds = kinds.into_iter().filter(|(_, set)| *set).fold(0, |kinds, (kind, _)| kinds | kind);
        if kinds == 0 {
            return Err("could not categorize route".to_owned());
        }
        let order = order(kinds, spec, &hosts, headers.len(), path.as_ref());
        let snis = spec.snis.iter().map(|sni| match sni.strip_suffix('.') {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => sni.clone(),
        });
        Ok(Self {
            snis: snis.collect(),
            methods: spec.methods.iter().map(|method| method.to_uppercase()).collect(),
            hosts,
            headers,
            path,
            sources,
            destinations,
            kinds,
            order,
        })
    }

    /// Sorts routes as they are tried: by category, then within it.
    pub(in crate::router) fn order(&self) -> Order {
        self.order
    }

    /// Its category.
    pub(in crate::router) fn kinds(&self) -> u8 {
        self.kinds
    }

    /// Whether the request matches the server names only for being plain HTTP.
    pub(in crate::router) fn exempt(&self, request: &TraditionalRequest<'_>) -> bool {
        !self.snis.is_empty() && request.input.scheme == Scheme::Http
    }

    /// Whether `request` matches.
    pub(in crate::router) fn matches(&self, request: &TraditionalRequest<'_>) -> bool {
        let input = &request.input;
        (self.methods.is_empty() || self.methods.iter().any(|method| method == input.method))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(request)))
            && self.headers.iter().all(|header| header.matches(request))
            && self.matches_sni(request)
            && matches_end(&self.sources, input.src_ip, input.src_port)
            && matches_end(&self.destinations, input.dst_ip, input.dst_port)
            && self.path.as_ref().is_none_or(|path| path.matches(input.path))
    }

    /// *Kong parity*: plain HTTP requests pass, so that they can be redirected.
    fn matches_sni(&self, request: &TraditionalRequest<'_>) -> bool {
        let sni = request.input.sni.unwrap_or("");
        self.snis.is_empty()
            || request.input.scheme == Scheme::Http
            || self.snis.iter().any(|name| name == sni)
    }

    /// What the match leaves behind, for a request that matches.
    pub(in crate::router) fn trace(&self, request: &TraditionalRequest<'_>, trace: &mut Trace) {
        if let Some(path) = &self.path {
            path.trace(request.input.path, trace);
        }
    }

    /// What every matching request of `scheme` has.
    pub(in crate::router) fn hints(&self, scheme: Scheme) -> Hints {
        let mut known: Vec<(FieldKey, Vec<Hint>)> = Vec::new();
        let mut add = |field: Field, hints: Option<Vec<Hint>>| {
            if let Some(hints) = hints.filter(|hints| !hints.is_empty()) {
                known.push((FieldKey { field, lower: false }, hints));
            }
        };
        let exact = |texts: &[String]| texts.iter().map(|text| Hint::Exact(text.as_bytes().into())).collect();
        add(Field::Host, Some(self.hosts.iter().map(Host::hint).collect()));
        add(Field::Path, self.path.as_ref().and_then(Path::hint).map(|hint| vec![hint]));
        add(Field::Method, Some(exact(&self.methods)));
        if scheme != Scheme::Http {
            add(Field::Sni, Some(exact(&self.snis)));
        }
        for header in self.headers.iter().filter(|header| header.pattern.is_none()) {
            add(Field::Header(header.name.as_str().into()), Some(exact(&header.values)));
        }
        for (list, ip, port) in [
            (&self.sources, Field::SrcIp, Field::SrcPort),
            (&self.destinations, Field::DstIp, Field::DstPort),
        ] {
            add(ip, list.iter().map(Address::ip_hint).collect());
            add(port, list.iter().map(Address::port_hint).collect());
        }
        Hints::Known(known)
    }
}

impl Header {
    fn new(name: &str, values: &[String]) -> Result<Self, String> {
        let pattern = match values {
            [only] => only.strip_prefix("~*").map(Regex::new).transpose(),
            _ => Ok(None),
        };
        Ok(Self {
            name: name.to_lowercase(),
            values: values.iter().map(|value| value.to_ascii_lowercase()).collect(),
            pattern: pattern.map_err(|error| error.to_string())?,
        })
    }

    fn matches(&self, request: &TraditionalRequest<'_>) -> bool {
        let mut found = false;
        request.each_header(&self.name, &mut |value| {
            found = self.values.iter().any(|known| known.as_bytes() == value)
                || self.pattern.as_ref().is_some_and(|regex| regex.is_match(value).unwrap_or(false));
            !found
        });
        found
    }
}

impl Address {
    fn ip_hint(&self) -> Option<Hint> {
        let block = self.block?;
        let mut bytes = address_bytes(block.network);
        bytes.truncate(1 + usize::from(block.length / 8));
        Some(Hint::Prefix(bytes.into_vec().into()))
    }

    fn port_hint(&self) -> Option<Hint> {
        let port = self.port?;
        Some(Hint::Exact(i64::from(port).to_be_bytes().into()))
    }
}

fn addresses(endpoints: &[Endpoint]) -> Result<Vec<Address>, String> {
    endpoints
        .iter()
        .map(|endpoint| {
            let block = endpoint.ip.as_deref().map(block).transpose()?;
            Ok(Address { block, port: endpoint.port })
        })
        .collect()
}

fn block(text: &str) -> Result<Cidr, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let length = if address.is_ipv4() { 32 } else { 128 };
        return Ok(Cidr { network: address, length });
    }
    let net: ipnet::IpNet = text.parse().map_err(|_| format!("invalid ip address: {text}"))?;
    Ok(Cidr { network: net.network(), length: net.prefix_len() })
}

fn matches_end(list: &[Address], ip: Option<IpAddr>, port: Option<u16>) -> bool {
    list.is_empty()
        || list.iter().any(|address| {
            address.block.is_none_or(|block| ip.is_some_and(|ip| block.contains(ip)))
                && address.port.is_none_or(|wanted| port == Some(wanted))
        })
}

fn order(kinds: u8, spec: &RouteSpec, hosts: &[Host], headers: usize, path: Option<&Path>) -> Order {
    let mut weight = 0;
    let wildcard = |host: &Host| matches!(host, Host::Wildcard { .. });
    let with_port = |host: &Host| matches!(host, Host::Wildcard { port: Some(_), .. });
    if spec.hosts.is_some() && !hosts.iter().any(wildcard) {
        weight |= PLAIN_HOSTS_ONLY;
    }
    if hosts.iter().any(with_port) {
        weight |= HAS_WILDCARD_HOST_PORT;
    }
    let (regex_priority, length) = match path {
        Some(Path::Regex { .. }) => {
            weight |= HAS_REGEX_PATH;
            (spec.regex_priority, 0)
        }
        Some(Path::Prefix(prefix)) => (0, prefix.len()),
        None => (0, 0),
    };
    let category = u64::from(kinds.count_ones()) << 8 | u64::from(kinds);
    let weight = u64::from(weight) << 32 | headers.min(u32::MAX as usize) as u64;
    let created_at = spec.created_at.map_or(0, |seconds| biased(seconds).saturating_add(1));
    let length = descending(length as u64);
    [descending(category), descending(weight), descending(biased(regex_priority)), length, created_at]
}
