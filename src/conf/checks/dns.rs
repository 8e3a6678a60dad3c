//! Name servers, hosts files and orders of record types.

use std::net::Ipv6Addr;
use std::path::Path;

use super::Findings;
use crate::conf::values::Values;

/// The lists of record types, and what they may hold.
const ORDERS: [(&str, &[&str]); 2] =
    [("dns_order", &["LAST", "A", "AAAA", "CNAME", "SRV"]), ("resolver_family", &["A", "AAAA", "SRV"])];

/// Checks both DNS clients' properties.
pub fn check(values: &Values, findings: &mut Findings) {
    check_client(values, findings, "dns_resolver", "dns_hostsfile");
    check_order(values, findings, 0);
    check_client(values, findings, "resolver_address", "resolver_hosts_file");
    check_order(values, findings, 1);
}

fn check_client(values: &Values, findings: &mut Findings, servers: &str, hosts_file: &str) {
    for server in values.texts(servers).iter().filter(|server| !is_address(server)) {
        findings.error(format!(
            "{servers} must be a comma separated list in the form of IPv4/6 or IPv4/6:port, got '{server}'"
        ));
    }
    if values.text(hosts_file).is_some_and(|path| !Path::new(path).is_file()) {
        findings.error(format!("{hosts_file}: file does not exist"));
    }
}

fn check_order(values: &Values, findings: &mut Findings, which: usize) {
    let Some((name, allowed)) = ORDERS.get(which) else { return };
    for entry in values.texts(name) {
        if !allowed.iter().any(|kind| kind.eq_ignore_ascii_case(&entry)) {
            findings.error(format!("{name}: invalid entry '{entry}'"));
        }
    }
}

/// Whether `text` is `ip`, `ipv4:port`, or `[ipv6]` with or without a port.
fn is_address(text: &str) -> bool {
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split_once(']').is_some_and(|(address, rest)| {
            is_ipv6(address) && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        });
    }
    match text.split_once(':') {
        None => text.parse::<std::net::Ipv4Addr>().is_ok(),
        Some((address, port)) if !port.contains(':') => {
            address.parse::<std::net::Ipv4Addr>().is_ok() && is_port(port)
        }
        Some(_) => is_ipv6(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::errors;

    #[test]
    fn name_servers_are_addresses_with_or_without_a_port() {
        for name in ["dns_resolver", "resolver_address"] {
            for good in ["198.51.100.0:53", "[::1]:53", "198.51.100.0,1.2.3.4:53,::1,[::1]:53"] {
                assert!(errors(&[(name, good)]).is_empty(), "{good}");
            }
            assert_eq!(
                errors(&[(name, "1.2.3.4:53;4.3.2.1")]),
                [format!(
                    "{name} must be a comma separated list in the form of IPv4/6 or IPv4/6:port, got \
                     '1.2.3.4:53;4.3.2.1'"
                )]
            );
            assert_eq!(errors(&[(name, "localhost,1.2.3.4:99999")]).len(), 2);
        }
    }

    #[test]
    fn hosts_files_must_exist() {
        for name in ["dns_hostsfile", "resolver_hosts_file"] {
            assert_eq!(errors(&[(name, "/nonexistent")]), [format!("{name}: file does not exist")]);
            let file = tempfile::NamedTempFile::new().unwrap();
            assert!(errors(&[(name, file.path().to_str().unwrap())]).is_empty());
        }
    }

    #[test]
    fn record_types_are_known_in_any_case() {
        assert_eq!(errors(&[("dns_order", "A,CXAME,SRV")]), ["dns_order: invalid entry 'CXAME'"]);
        assert_eq!(errors(&[("resolver_family", "A,AAAX,SRV")]), ["resolver_family: invalid entry 'AAAX'"]);
        assert!(errors(&[("dns_order", "last,a,aaaa")]).is_empty());
    }
}
