//! Addresses: host names, IPv4 and IPv6, with or without a port.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::schema::callback::Verdict;

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// Digits and dots.
    Ipv4,
    /// More than one colon.
    Ipv6,
    /// Anything else.
    Name,
}

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name as given, an IPv4 without leading zeros, or an IPv6 with all its digits.
    pub host: String,
    /// What the host is.
    pub kind: HostKind,
    /// The port, if there is one.
    pub port: Option<u16>,
}

/// The message for a port above 65535.
const INVALID_PORT: &str = "invalid port number";

impl Address {
    /// Reads an address: `name`, `1.2.3.4` or `::1`, each with a port (`[::1]:80`).
    ///
    /// # Errors
    /// The message of Kong's address tools.
    pub fn parse(text: &str) -> Result<Self, String> {
        match HostKind::of(text) {
            HostKind::Ipv4 => parse_ipv4(text),
            HostKind::Ipv6 => parse_ipv6(text),
            HostKind::Name => parse_name(text),
        }
    }
}

impl HostKind {
    /// The kind by elimination: what is neither many colons nor digits and dots is a name.
    pub fn of(text: &str) -> Self {
        let colons = text.bytes().filter(|byte| *byte == b':').count();
        let is_numeric = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        match colons {
            2.. => Self::Ipv6,
            _ if text.len() > colons && text.bytes().all(|byte| byte == b':' || is_numeric(byte)) => {
                Self::Ipv4
            }
            _ => Self::Name,
        }
    }
}

fn parse_ipv4(text: &str) -> Result<Address, String> {
    let invalid = || format!("invalid ipv4 address: {text}");
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let parts: Vec<&str> = host.split('.').collect();
    let well_formed = parts.len() == 4
        && parts.iter().all(|part| (1..=3).contains(&part.len()))
        && port.is_none_or(is_digits);
    if !well_formed {
        return Err(invalid());
    }
    let octets: Option<Vec<String>> =
        parts.iter().map(|part| part.parse::<u8>().ok().map(|octet| octet.to_string())).collect();
    let host = octets.ok_or_else(invalid)?.join(".");
    Ok(Address { host, kind: HostKind::Ipv4, port: port.map(parse_port).transpose()? })
}

fn parse_ipv6(text: &str) -> Result<Address, String> {
    let (inner, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, "")) => (inner, None),
        Some((inner, rest)) => match rest.strip_prefix(':').filter(|digits| is_digits(digits)) {
            Some(digits) => (inner, Some(parse_port(digits)?)),
            None => return Err("invalid ipv6 address".to_owned()),
        },
        None => (text, None),
    };
    let groups = expand_groups(inner).ok_or_else(|| format!("invalid ipv6 address: {text}"))?;
    Ok(Address { host: groups.join(":"), kind: HostKind::Ipv6, port })
}

/// The eight groups of an address, four digits each.
fn expand_groups(text: &str) -> Option<Vec<String>> {
    let lead = if text.starts_with(':') { "0" } else { "" };
    let tail = if text.ends_with(':') { "0" } else { "" };
    let mut text = format!("{lead}{text}{tail}");
    if text.contains("::") {
        let colons = text.bytes().filter(|byte| *byte == b':').count();
        let zeros = "0:".repeat(8_usize.saturating_sub(colons));
        text = text.replacen("::", &format!(":{zeros}"), 1);
    }
    let groups: Vec<String> = text
        .split(':')
        .filter(|group| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(|group| format!("{:0>4}", group.to_ascii_lowercase()))
        .collect();
    let is_whole = groups.len() == 8 && text.split(':').count() == 8;
    is_whole.then_some(groups)
}

fn parse_name(text: &str) -> Result<Address, String> {
    let invalid = || format!("invalid hostname: {text}");
    let (name, port) = match text.rsplit_once(':').filter(|(_, digits)| is_digits(digits)) {
        Some((name, digits)) => (name, Some(parse_port(digits)?)),
        None => (text, None),
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(invalid());
    }
    let segments = name.split('.').count();
    for (place, segment) in name.split('.').enumerate() {
        if segment.ends_with('-') || (segment.is_empty() && place + 1 != segments) {
            return Err(invalid());
        }
    }
    Ok(Address { host: name.to_owned(), kind: HostKind::Name, port })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_port(digits: &str) -> Result<u16, String> {
    digits.parse().map_err(|_| INVALID_PORT.to_owned())
}

/// Whether a text is an IPv4 or IPv6 address.
pub fn is_ip(text: &str) -> bool {
    is_ipv4(text) || is_ipv6(text)
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    inner.parse::<Ipv6Addr>().is_ok()
}

/// Whether a text is an address followed by a prefix length.
fn is_cidr(text: &str, is_address: fn(&str) -> bool, longest: u8) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let is_canonical = prefix == "0" || !prefix.starts_with('0');
    is_address(address)
        && is_digits(prefix)
        && is_canonical
        && prefix.parse::<u8>().is_ok_and(|length| length <= longest)
}

/// Whether a text is an address or a range of addresses.
pub fn is_ip_or_cidr(text: &str) -> bool {
    is_ip(text) || is_cidr(text, is_ipv4, 32) || is_cidr(text, is_ipv6, 128)
}

/// Refuses a text with a message.
pub(super) fn refuse(message: impl Into<String>) -> Verdict {
    Err(Some(Value::String(message.into())))
}

/// The text of a value that is known to be a string.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `typedefs.host`.
pub fn host(value: &Value) -> Verdict {
    without_port(text(value), text(value), false)
}

/// `typedefs.sni`.
pub fn sni(value: &Value) -> Verdict {
    without_port(text(value), text(value), true)
}

/// `typedefs.wildcard_host`.
pub fn wildcard_host(value: &Value) -> Verdict {
    let host = text(value);
    let Some(star) = host.find('*') else {
        return without_port(host, host, true);
    };
    if star != 0 && star + 1 != host.len() {
        return refuse("wildcard must be leftmost or rightmost character");
    }
    if host.matches('*').count() > 1 {
        return refuse("only one wildcard must be specified");
    }
    let name = host.replace('*', "wildcard");
    without_port(&name, &name, true)
}

/// `typedefs.host_with_optional_port`.
pub fn host_with_optional_port(value: &Value) -> Verdict {
    Address::parse(text(value)).map(drop).map_err(|message| Some(message.into()))
}

/// The hosts of routes: a host with a port and wildcards.
pub fn host_with_wildcards(value: &Value) -> Verdict {
    let name = text(value).replace('*', "abc");
    Address::parse(&name).map(drop).map_err(|message| Some(message.into()))
}

/// `typedefs.ip`.
pub fn ip(value: &Value) -> Verdict {
    if is_ip(text(value)) { Ok(()) } else { refuse(format!("not an ip address: {}", text(value))) }
}

/// `typedefs.ip_or_cidr`.
pub fn ip_or_cidr(value: &Value) -> Verdict {
    if is_ip_or_cidr(text(value)) {
        return Ok(());
    }
    refuse(format!("invalid ip or cidr range: '{}'", text(value)))
}

/// `typedefs.cidr_v4`; a plain address is accepted too.
pub fn cidr_v4(value: &Value) -> Verdict {
    if is_ipv4(text(value)) || is_cidr(text(value), is_ipv4, 32) {
        return Ok(());
    }
    refuse(format!("invalid ipv4 cidr range: '{}'", text(value)))
}

fn without_port(address: &str, shown: &str, name_only: bool) -> Verdict {
    match Address::parse(address) {
        Err(message) if message == INVALID_PORT => refuse("must not have a port"),
        Err(_) => refuse(format!("invalid value: {shown}")),
        Ok(address) if name_only && address.kind != HostKind::Name => refuse("must not be an IP"),
        Ok(address) if address.port.is_some() => refuse("must not have a port"),
        Ok(_) => Ok(()),
    }
}
