//! The request as traditional routes see it: bytes, and a host with and without its port.

use smallvec::SmallVec;

use crate::router::expression::{Field, FieldKey};
use crate::router::index::Fields;
use crate::router::input::{MatchInput, Scheme, Value};

/// A [`MatchInput`] with its host taken apart.
pub(in crate::router) struct TraditionalRequest<'a> {
    pub(super) input: MatchInput<'a>,
    /// The host as it came.
    pub(super) host: &'a str,
    /// The host without port and brackets.
    pub(super) name: &'a str,
    /// The port, or the default one of the scheme.
    pub(super) port: &'a str,
}

impl<'a> TraditionalRequest<'a> {
    pub(in crate::router) fn new(input: &MatchInput<'a>) -> Self {
        let host = input.host.unwrap_or("");
        let (name, port) = split_port(host);
        let default = if input.scheme == Scheme::Https { "443" } else { "80" };
        Self { input: *input, host, name, port: port.unwrap_or(default) }
    }

    /// Calls `visit` with the value of each field line called `name`, in lower case.
    pub(super) fn each_header(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) {
        self.input.fields.each_header(name, &mut |value| {
            if value.iter().any(u8::is_ascii_uppercase) {
                let mut lower = SmallVec::<[u8; 256]>::from_slice(value);
                lower.make_ascii_lowercase();
                visit(&lower)
            } else {
                visit(value)
            }
        });
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        let mut found = false;
        self.input.fields.each_header(name, &mut |_| {
            found = true;
            false
        });
        found
    }
}

impl Fields for TraditionalRequest<'_> {
    fn each_value(&self, key: &FieldKey, visit: &mut dyn FnMut(Value<'_>) -> bool) {
        let input = &self.input;
        let port = |port: Option<u16>| port.map(|port| Value::Int(port.into()));
        let value = match &key.field {
            Field::Host => {
                if self.name != self.host && !visit(Value::Text(self.name)) {
                    return;
                }
                Some(Value::Text(self.host))
            }
            Field::Header(name) => {
                return self.each_header(name, &mut |value| visit(Value::Bytes(value)));
            }
            Field::Path => Some(Value::Bytes(input.path)),
            Field::Method => Some(Value::Text(input.method)),
            Field::Sni => input.sni.map(Value::Text),
            Field::SrcIp => input.src_ip.map(Value::Ip),
            Field::DstIp => input.dst_ip.map(Value::Ip),
            Field::SrcPort => port(input.src_port),
            Field::DstPort => port(input.dst_port),
            _ => None,
        };
        if let Some(value) = value {
            visit(value);
        }
    }
}

/// Splits a decimal port off a host; brackets are peeled off an IPv6 address.
pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    let decimal = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(inner) = host.strip_prefix('[') {
        if let Some(address) = inner.strip_suffix(']') {
            return (address, None);
        }
        return match inner.split_once("]:") {
            Some((address, "")) => (address, None),
            Some((address, port)) if decimal(port) => (address, Some(port)),
            _ => (host, None),
        };
    }
    match host.split_once(':') {
        Some((name, "")) => (name, None),
        Some((name, port)) if decimal(port) => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_off_and_brackets_peeled() {
        for (host, name, port) in [
            ("a.com", "a.com", None),
            ("a.com:80", "a.com", Some("80")),
            ("a.com:", "a.com", None),
            ("a.com:x", "a.com:x", None),
            ("[::1]", "::1", None),
            ("[::1]:80", "::1", Some("80")),
            ("[::1]:", "::1", None),
            ("::1", "::1", None),
        ] {
            assert_eq!(split_port(host), (name, port), "of {host}");
        }
    }
}
