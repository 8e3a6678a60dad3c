//! What stands on the right side of a comparison.

use std::net::IpAddr;
use std::sync::Arc;

use crate::router::pattern::Pattern;
use crate::router::spec::Cidr;

/// A constant in an expression.
#[derive(Debug, Clone)]
pub enum Literal {
    /// `"text"` or `r#"text"#`
    Text(Box<str>),
    /// `80`, `0x50` or `0120`
    Int(i64),
    /// `10.0.0.1` or `::1`
    Ip(IpAddr),
    /// `10.0.0.0/8` or `2001:db8::/32`
    Cidr(Cidr),
    /// A string after the operator `~`
    Regex(Arc<Pattern>),
}

/// Reads an address.
pub(super) fn parse_ip(text: &str, v6: bool) -> Result<IpAddr, String> {
    let address = if v6 { text.parse().map(IpAddr::V6) } else { text.parse().map(IpAddr::V4) };
    address.map_err(|error: std::net::AddrParseError| error.to_string())
}

/// Reads a block whose address has no bits behind the prefix.
///
/// *Errors*: worded as users of the ATC router know them.
pub(in crate::router) fn parse_cidr(text: &str, v6: bool) -> Result<Cidr, String> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let parsed = if v6 { address.parse().map(IpAddr::V6) } else { address.parse().map(IpAddr::V4) };
    let network = parsed.map_err(|error| format!("couldn't parse address in network: {error}"))?;
    let length: u8 = length.parse().map_err(|error| format!("couldn't parse length in network: {error}"))?;
    let (family, maximum) = if v6 { ("Ipv6", 128) } else { ("Ipv4", 32) };
    if length > maximum {
        return Err(format!(
            "invalid length for network: Network length {length} is too long for {family} (maximum: {maximum})"
        ));
    }
    if has_host_bits(network, length) {
        return Err("host part of address was not zero".to_owned());
    }
    Ok(Cidr { network, length })
}

fn has_host_bits(network: IpAddr, length: u8) -> bool {
    let length = u32::from(length);
    match network {
        IpAddr::V4(v4) => v4.to_bits().checked_shl(length).unwrap_or(0) != 0,
        IpAddr::V6(v6) => v6.to_bits().checked_shl(length).unwrap_or(0) != 0,
    }
}
