//! What a request or connection offers to the router, and how predicates read it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::expression::{Field, Segments};
use super::spec::Subsystem;

/// Look-up of field lines and query arguments, answered by whoever holds the request head.
pub trait RequestFields {
    /// Calls `visit` with the value of each field line called `name` (compared without case) until
    /// it returns false.
    fn each_header(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool);

    /// Calls `visit` with each decoded value of the query argument `name` (`None` for an argument
    /// without `=`) until it returns false.
    fn each_query_arg(&self, name: &str, visit: &mut dyn FnMut(Option<&[u8]>) -> bool);
}

/// A connection or request without fields: stream routing.
impl RequestFields for () {
    fn each_header(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) {}
    fn each_query_arg(&self, _: &str, _: &mut dyn FnMut(Option<&[u8]>) -> bool) {}
}

/// The protocol a client spoke, as `net.protocol` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Scheme {
    #[default]
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
}

impl Scheme {
    /// All schemes; [`Scheme::name`] tells them apart in expressions.
    pub(super) const ALL: [Self; 5] = [Self::Http, Self::Https, Self::Tcp, Self::Tls, Self::Udp];

    /// The schemes of a subsystem.
    pub(super) fn of(subsystem: Subsystem) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |scheme| match scheme {
            Self::Http | Self::Https => subsystem == Subsystem::Http,
            Self::Tcp | Self::Tls | Self::Udp => subsystem == Subsystem::Stream,
        })
    }

    /// The name that expressions compare with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }
}

/// Everything a route can match on, borrowed from the request.
#[derive(Clone, Copy)]
pub struct MatchInput<'a> {
    /// What the client spoke.
    pub scheme: Scheme,
    /// The request method.
    pub method: &'a str,
    /// The `Host` field value as the client sent it, port included.
    pub host: Option<&'a str>,
    /// The normal form of the path (see [`crate::http::uri::normalize`]), without the query.
    pub path: &'a [u8],
    /// Field lines and query arguments.
    pub fields: &'a dyn RequestFields,
    /// The server name of the TLS handshake.
    pub sni: Option<&'a str>,
    /// The client's address.
    pub src_ip: Option<IpAddr>,
    /// The client's port.
    pub src_port: Option<u16>,
    /// The address the client connected to.
    pub dst_ip: Option<IpAddr>,
    /// The port the client connected to, after `port_maps`.
    pub dst_port: Option<u16>,
}

impl Default for MatchInput<'_> {
    fn default() -> Self {
        Self {
            scheme: Scheme::Http,
            method: "",
            host: None,
            path: b"",
            fields: &(),
            sni: None,
            src_ip: None,
            src_port: None,
            dst_ip: None,
            dst_port: None,
        }
    }
}

/// A value of a field, as predicates compare it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Ip(IpAddr),
    /// Bytes outside of expressions, or no UTF-8: expressions match nothing.
    Bytes(&'a [u8]),
}

/// A [`MatchInput`] with its host taken apart.
pub(super) struct Request<'a> {
    pub(super) input: MatchInput<'a>,
    pub(super) path: &'a str,
    pub(super) host: Option<&'a str>,
    pub(super) host_port: Option<u16>,
}

impl<'a> Request<'a> {
    /// `None` when the path is no UTF-8: expressions match text only.
    pub(super) fn new(input: &MatchInput<'a>) -> Option<Self> {
        let (host, host_port) = match input.host {
            Some(host) => split_host_port(host),
            None => ("", None),
        };
        Some(Self {
            input: *input,
            path: std::str::from_utf8(input.path).ok()?,
            host: input.host.map(|_| host),
            host_port,
        })
    }

    /// Calls `visit` with each value of `field` until it returns false.
    pub(super) fn each_value(&self, field: &Field, lower: bool, visit: &mut dyn FnMut(Value<'_>) -> bool) {
        let input = &self.input;
        let text = |value: &str, visit: &mut dyn FnMut(Value<'_>) -> bool| match lower {
            true => visit(Value::Text(&lower_case(value))),
            false => visit(Value::Text(value)),
        };
        let mut optional = |value: Option<Value<'_>>| {
            if let Some(value) = value {
                visit(value);
            }
        };
        match field {
            Field::SrcIp => optional(input.src_ip.map(Value::Ip)),
            Field::DstIp => optional(input.dst_ip.map(Value::Ip)),
            Field::SrcPort => optional(input.src_port.map(|port| Value::Int(port.into()))),
            Field::DstPort => {
                let port = self.host_port.or(input.dst_port);
                optional(port.map(|port| Value::Int(port.into())));
            }
            Field::SegmentCount => optional(Some(Value::Int(segments(self.path).count() as i64))),
            Field::Segments(range) => {
                if let Some(value) = range.as_ref().and_then(|range| slice(self.path, range)) {
                    text(value, visit);
                }
            }
            Field::Protocol => drop(text(input.scheme.name(), visit)),
            Field::Method => drop(text(input.method, visit)),
            Field::Path => drop(text(self.path, visit)),
            Field::Host => drop(self.host.map(|host| text(host, visit))),
            Field::Sni => drop(input.sni.map(|sni| text(sni, visit))),
            Field::Header(name) => self.each_header(name, &mut |value| match utf8(value) {
                Some(text_value) => text(text_value, visit),
                None => visit(Value::Bytes(value)),
            }),
            Field::Unknown(_) => {}
            Field::Query(name) => {
                input.fields.each_query_arg(name, &mut |value| match utf8(value.unwrap_or(b"")) {
                    Some(value) => text(value, visit),
                    None => visit(Value::Bytes(b"\xff")),
                });
            }
        }
    }

    /// Field lines of that very name, or else those with dashes in place of underscores.
    pub(super) fn each_header(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) {
        let mut found = false;
        self.input.fields.each_header(name, &mut |value| {
            found = true;
            visit(value)
        });
        if !found && name.contains('_') {
            let mut dashed = smallvec::SmallVec::<[u8; 64]>::from_slice(name.as_bytes());
            dashed.iter_mut().filter(|byte| **byte == b'_').for_each(|byte| *byte = b'-');
            if let Ok(dashed) = std::str::from_utf8(&dashed) {
                self.input.fields.each_header(dashed, visit);
            }
        }
    }
}

/// Splits `name:port`; without a decimal port the whole text is the host.
pub(super) fn split_host_port(host: &str) -> (&str, Option<u16>) {
    // *Kong parity*: what Lua takes for a number is a port, though it may be none.
    match host.split_once(':').map(|(name, port)| (name, port.trim_ascii())) {
        Some((name, port)) if port.parse::<f64>().is_ok() => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// The lower-case form; borrows text that has no upper case.
pub(super) fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The segments after the first slash; the root has none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let rest = path.get(1..).filter(|rest| !rest.is_empty());
    rest.into_iter().flat_map(|rest| rest.split('/'))
}

/// The part of the path from segment `first` to segment `last`, both inclusive.
fn slice<'p>(path: &'p str, range: &Segments) -> Option<&'p str> {
    let start = segments(path).nth(range.first)?;
    let end = match range.last {
        Some(last) if last <= range.first => return None,
        Some(last) => segments(path).nth(last)?,
        None => start,
    };
    let offset = |part: &str| part.as_ptr() as usize - path.as_ptr() as usize;
    path.get(offset(start)..offset(end) + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_split_only_at_a_decimal_port() {
        assert_eq!(split_host_port("a.com:80"), ("a.com", Some(80)));
        assert_eq!(split_host_port("a.com"), ("a.com", None));
        assert_eq!(split_host_port("a.com:x"), ("a.com:x", None));
        assert_eq!(split_host_port("[::1]:80"), ("[::1]:80", None));
    }

    #[test]
    fn path_segments_are_counted_from_zero_and_sliced_inclusively() {
        let range = |first, last| Segments { first, last };
        assert_eq!(slice("/a/b/c", &range(0, None)), Some("a"));
        assert_eq!(slice("/a/b/c", &range(1, Some(2))), Some("b/c"));
        assert_eq!(slice("/a/b/c", &range(2, Some(3))), None);
        assert_eq!(slice("/a/b/c", &range(2, Some(1))), None);
        assert_eq!(segments("/a/b/").count(), 3);
        assert_eq!(segments("/").count(), 0);
    }
}
