//! Single words and lists of words.

use std::path::Path;

use super::Findings;
use crate::conf::derived::port_map;
use crate::conf::values::Values;
use crate::conf::{HeaderTokens, TrustedIps, units};

/// Properties that are sizes without being directives.
const SIZES: [&str; 4] =
    ["mem_cache_size", "ssl_session_cache_size", "lmdb_map_size", "resolver_mem_cache_size"];

/// `port_maps` are pairs of ports.
pub fn check_port_maps(values: &Values, findings: &mut Findings) {
    for entry in values.texts("port_maps").iter().filter(|entry| port_map(entry).is_none()) {
        findings.error(format!("invalid port mapping (`port_maps`): {entry}"));
    }
}

/// `headers` and `headers_upstream` are names of known headers.
pub fn check_headers(values: &Values, findings: &mut Findings) {
    let lists: [(&str, &[(&str, HeaderTokens)]); 2] =
        [("headers", &HeaderTokens::NAMES), ("headers_upstream", &HeaderTokens::UPSTREAM_NAMES)];
    for (list, names) in lists {
        for token in values.texts(list) {
            let is_known = names.iter().any(|(name, _)| name.eq_ignore_ascii_case(&token));
            if token != "off" && !is_known {
                findings.error(format!("{list}: invalid entry '{token}'"));
            }
        }
    }
}

/// `trusted_ips` are addresses, blocks or `unix:`.
pub fn check_trusted_ips(values: &Values, findings: &mut Findings) {
    for address in values.texts("trusted_ips") {
        if address != "unix:" && TrustedIps::parse_block(&address).is_none() {
            findings.error(format!(
                "trusted_ips must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block or \
                 'unix:', got '{address}'"
            ));
        }
    }
}

/// `node_id` is a UUID.
pub fn check_node_id(values: &Values, findings: &mut Findings) {
    if values.text("node_id").is_some_and(|id| id.len() != 36 || uuid::Uuid::try_parse(id).is_err()) {
        findings.error("node_id must be a valid UUID");
    }
}

/// The directory of filters exists. Filters do not run here, which is no error.
pub fn check_wasm(values: &Values, findings: &mut Findings) {
    if !values.is_on("wasm") {
        return;
    }
    findings.warn("wasm is on, but WebAssembly filters are not supported by this version: they do not run");
    if let Some(path) = values.text("wasm_filters_path").filter(|path| !Path::new(path).is_dir()) {
        findings.error(format!("wasm_filters_path '{path}' is not a valid directory"));
    }
}

/// Sizes are sizes.
pub fn check_sizes(values: &Values, findings: &mut Findings) {
    for name in SIZES {
        if let Some(text) = values.text(name).filter(|text| units::size(text).is_err()) {
            findings.error(format!("{name} has an invalid value: '{text}'"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};

    #[test]
    fn port_maps_are_pairs_of_ports() {
        assert_eq!(load(&[("port_maps", "80:8000,443:8443")]).unwrap().port_maps, [(8000, 80), (8443, 443)]);
        for wrong in ["src:dst", "80", "0:80", "80:70000"] {
            assert_eq!(
                errors(&[("port_maps", wrong)]),
                [format!("invalid port mapping (`port_maps`): {wrong}")]
            );
        }
    }

    #[test]
    fn unknown_headers_are_named() {
        assert_eq!(errors(&[("headers", "server_tokens,Foo-Bar")]), ["headers: invalid entry 'Foo-Bar'"]);
        assert_eq!(errors(&[("headers_upstream", "Via")]), ["headers_upstream: invalid entry 'Via'"]);
        assert!(errors(&[("headers", "off"), ("headers_upstream", "off")]).is_empty());
    }

    #[test]
    fn trusted_ips_are_addresses_and_blocks() {
        assert!(errors(&[("trusted_ips", "10.0.0.0/8,::1,unix:,2001:db8::/32")]).is_empty());
        assert_eq!(
            errors(&[("trusted_ips", "localhost")]),
            [
                "trusted_ips must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block or \
              'unix:', got 'localhost'"
            ]
        );
    }

    #[test]
    fn a_node_id_is_a_uuid() {
        assert_eq!(errors(&[("node_id", "foobar")]), ["node_id must be a valid UUID"]);
        assert!(errors(&[("node_id", "8b7de2ba-0477-4667-a811-8bca46073ca9")]).is_empty());
    }

    #[test]
    fn sizes_and_filter_directories_are_checked() {
        assert_eq!(errors(&[("mem_cache_size", "128 megabytes")]).len(), 1);
        assert_eq!(
            errors(&[("wasm", "on"), ("wasm_filters_path", "/no/such")]),
            ["wasm_filters_path '/no/such' is not a valid directory"]
        );
        assert!(errors(&[("wasm", "off"), ("wasm_filters_path", "/no/such")]).is_empty());
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let found = errors(&[
            ("worker_consistency", "magical"),
            ("ssl_cert_key", "a.key"),
            ("pg_port", "many"),
            ("database", "mysql"),
            ("admin_listen", "127.0.0.1"),
        ]);
        assert_eq!(found.len(), 6, "{found:#?}");
        assert!(
            found.contains(
                &"worker_consistency has an invalid value: 'magical' (strict, eventual)".to_owned()
            )
        );
        assert!(
            found.contains(&"database has an invalid value: 'mysql' (postgres, cassandra, off)".to_owned())
        );
        assert!(found.contains(&"pg_port is not a number: 'many'".to_owned()));
        assert!(found.contains(&"ssl_cert must be specified".to_owned()));
        assert!(
            found.iter().any(|error| error.starts_with("admin_listen must be of form: [off] | <ip>:<port>"))
        );
    }
}
