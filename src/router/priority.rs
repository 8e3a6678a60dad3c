//! The 64-bit priority of a route outside the traditional flavor.
//!
//! *Kong parity*: Kong documents a layout in which the number of matched attributes weighs most:
//! three bits of it on top, then "plain hosts only", the number of headers, "regex path", the
//! regex priority, and the length of the path. The numbers among these are shifted as 32-bit
//! integers however, so they come to lie elsewhere, with their sign bit copied upwards:
//!
//! | bits | from |
//! |---|---|
//! | 60 | only plain hosts |
//! | 51 | regex path |
//! | 31–29 | matched attributes; with four or more all higher bits are set too |
//! | 31–20 | number of headers |
//! | 31–19 | regex priority, likewise extended |
//! | 18–0 | length of the path |
//!
//! This decides between real routes (a plain host beats a wildcard host with a path), so the
//! arithmetic is kept as it is.

use super::spec::{Endpoint, RouteSpec};

const PLAIN_HOSTS_ONLY: u64 = 1 << 60;
const REGEX_PATH: u64 = 1 << 51;
const EXPRESSION: u64 = 0xff << 56;
const MAX_HEADERS: usize = 255;
const LENGTH_MASK: u64 = 0x7_ffff;

const STREAM_SNI: u64 = 1 << 61;
const STREAM_IP: u64 = 1 << 3;
const STREAM_PORT: u64 = 1 << 2;
const STREAM_BLOCK: u64 = 1;

/// The priority of the part of `spec` that has `paths`; the greatest is tried first.
pub(super) fn priority(spec: &RouteSpec, paths: &[&String]) -> u64 {
    if spec.expression.is_some() {
        return EXPRESSION | spec.priority;
    }
    if spec.is_stream() {
        return stream_priority(spec);
    }
    let attributes = [
        !spec.sources.is_empty(),
        !spec.destinations.is_empty(),
        !spec.methods.is_empty(),
        spec.hosts.as_ref().is_some_and(|hosts| !hosts.is_empty()),
        !spec.headers.is_empty(),
        !spec.snis.is_empty(),
        !paths.is_empty(),
    ];
    let matched = attributes.into_iter().filter(|&set| set).count();
    let headers = spec.headers.len().min(MAX_HEADERS);
    let plain_hosts = spec.hosts.as_ref().is_some_and(|hosts| hosts.iter().all(|host| !host.contains('*')));
    let mut priority = shifted(matched as i64, 29) | shifted(headers as i64, 20);
    if plain_hosts {
        priority |= PLAIN_HOSTS_ONLY;
    }
    match paths.first() {
        Some(path) if path.starts_with('~') => {
            priority |= REGEX_PATH | shifted(spec.regex_priority, 19);
        }
        Some(path) => priority |= path.len() as u64 & LENGTH_MASK,
        None => {}
    }
    priority
}

/// A server name, or both ends of the connection, weigh most; then addresses, ports, blocks.
fn stream_priority(spec: &RouteSpec) -> u64 {
    let both_ends = !spec.sources.is_empty() && !spec.destinations.is_empty();
    let named = if !spec.snis.is_empty() || both_ends { STREAM_SNI } else { 0 };
    named | end_weight(&spec.sources) << 4 | end_weight(&spec.destinations)
}

fn end_weight(endpoints: &[Endpoint]) -> u64 {
    endpoints.iter().fold(0, |weight, endpoint| {
        let address = match &endpoint.ip {
            Some(ip) if ip.contains('/') => STREAM_BLOCK,
            Some(_) => STREAM_IP,
            None => 0,
        };
        weight | address | if endpoint.port.is_some() { STREAM_PORT } else { 0 }
    })
}

/// `value << bits` in 32 bits, then extended with its sign.
fn shifted(value: i64, bits: u32) -> u64 {
    i64::from((value as u32).wrapping_shl(bits) as i32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    fn of(hosts: &[&str], paths: &[&str], methods: &[&str], headers: usize) -> u64 {
        let paths = strings(paths);
        let spec = RouteSpec {
            hosts: (!hosts.is_empty()).then(|| strings(hosts)),
            methods: strings(methods),
            headers: (0..headers).map(|number| (number.to_string(), vec![])).collect(),
            ..Default::default()
        };
        priority(&spec, &paths.iter().collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_shifted_in_32_bits() {
        assert_eq!(of(&[], &["/ab"], &[], 0), 0x2000_0003);
        assert_eq!(of(&[], &["/ab"], &["GET"], 0), 0x4000_0003);
        assert_eq!(of(&["a.com"], &[], &[], 0), 1 << 60 | 0x2000_0000);
        assert_eq!(of(&["*.com"], &["/"], &["GET"], 1), 0xffff_ffff_8010_0001);
        assert_eq!(of(&[], &["~/a"], &[], 0), 1 << 51 | 0x2000_0000);
    }

    #[test]
    fn a_plain_host_beats_a_wildcard_host_with_a_path() {
        assert!(of(&["a.com"], &[], &[], 0) > of(&["*.com"], &["/a"], &[], 0));
    }

    #[test]
    fn regex_priority_counts_for_regexes_only() {
        let mut spec = RouteSpec { regex_priority: 5, ..Default::default() };
        let (regex, plain) = ("~/a".to_owned(), "/a".to_owned());
        let with = (priority(&spec, &[&regex]), priority(&spec, &[&plain]));
        spec.regex_priority = 0;
        let without = (priority(&spec, &[&regex]), priority(&spec, &[&plain]));
        assert!(with.0 > without.0);
        assert_eq!(with.1, without.1);
    }

    #[test]
    fn expressions_outrank_traditional_routes() {
        let spec = RouteSpec { expression: Some("a".into()), priority: (1 << 46) - 1, ..Default::default() };
        assert!(priority(&spec, &[]) > of(&["a"], &["/ab"], &["GET"], 0));
    }
}
