//! Where a listener is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::flags::is_digits;

/// The address of a [`super::Listen`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4(Ipv4Addr, u16),
    /// An IPv6 address.
    V6(Ipv6Addr, u16),
    /// A name, to be resolved when the socket is opened; `*` is every address.
    Name(String, u16),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `ip:port`, `[ipv6]:port`, `name:port` or `unix:path`.
    pub(super) fn parse(text: &str) -> Option<Address> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Address::Unix(PathBuf::from(path)));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = is_digits(port).then(|| port.parse().ok()).flatten()?;
        if let Some(bracketed) = host.strip_prefix('[') {
            return bracketed.strip_suffix(']')?.parse().ok().map(|ip| Address::V6(ip, port));
        }
        if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return parse_ipv4(host).map(|ip| Address::V4(ip, port));
        }
        (!host.is_empty() && !host.contains(':')).then(|| Address::Name(host.to_owned(), port))
    }

    /// The port; `None` for a Unix domain socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::V4(_, port) | Address::V6(_, port) | Address::Name(_, port) => Some(*port),
            Address::Unix(_) => None,
        }
    }
}

/// *Kong parity*: IPv6 addresses are written out in full.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::V4(ip, port) => write!(f, "{ip}:{port}"),
            Address::V6(ip, port) => {
                let groups: Vec<_> = ip.segments().iter().map(|group| format!("{group:04x}")).collect();
                write!(f, "[{}]:{port}", groups.join(":"))
            }
            Address::Name(name, port) => write!(f, "{name}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads four decimal groups; leading zeros are dropped, not octal.
fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut groups = text.split('.').map(|group| {
        ((1..=3).contains(&group.len()))
            .then(|| group.parse::<u16>().ok())
            .flatten()
            .and_then(|it| u8::try_from(it).ok())
    });
    let mut next = || groups.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    groups.next().is_none().then_some(address)
}
