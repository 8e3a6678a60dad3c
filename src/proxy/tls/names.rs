//! Versions and cipher suites by the names OpenSSL has for them.

use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

const SUITES: [(CipherSuite, &str); 9] = [
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// OpenSSL's name of a suite.
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    SUITES.iter().find(|(known, _)| *known == suite).map_or("", |(_, name)| name)
}

/// OpenSSL's name of a version.
pub fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "",
    }
}

/// The suites of an `ssl_ciphers` list, in its order; those of TLS 1.3 are always there, since OpenSSL
/// does not choose them by that list. The second part names what is not supported.
pub fn cipher_suites(list: &str) -> (Vec<SupportedCipherSuite>, Vec<String>) {
    let supported = |wanted: CipherSuite| ALL_CIPHER_SUITES.iter().find(|s| s.suite() == wanted).copied();
    let mut suites: Vec<_> =
        ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some()).copied().collect();
    let mut unknown = Vec::new();
    for name in list.split([':', ',', ' ']).filter(|name| !name.is_empty()) {
        let found = SUITES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        match found.and_then(|(suite, _)| supported(*suite)) {
            Some(suite) if suites.contains(&suite) => {}
            Some(suite) => suites.push(suite),
            None => unknown.push(name.to_owned()),
        }
    }
    (suites, unknown)
}

/// The versions of an `ssl_protocols` list, and what in it is not supported.
pub fn versions(names: &[String]) -> (Vec<&'static SupportedProtocolVersion>, Vec<String>) {
    let mut versions = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match name.as_str() {
            "TLSv1.2" => versions.push(&rustls::version::TLS12),
            "TLSv1.3" => versions.push(&rustls::version::TLS13),
            other => unknown.push(other.to_owned()),
        }
    }
    (versions, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_by_openssls_names_and_others_named() {
        let (suites, unknown) =
            cipher_suites("ECDHE-RSA-AES128-GCM-SHA256:DES-CBC3-SHA:TLS_AES_128_GCM_SHA256");
        assert_eq!(suites.len(), 4);
        assert_eq!(suites.last().map(|s| cipher_name(s.suite())), Some("ECDHE-RSA-AES128-GCM-SHA256"));
        assert_eq!(unknown, ["DES-CBC3-SHA"]);
        assert!(ALL_CIPHER_SUITES.iter().all(|suite| !cipher_name(suite.suite()).is_empty()));
    }

    #[test]
    fn old_versions_are_named_as_unsupported() {
        let names = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"].map(str::to_owned);
        let (versions, unknown) = versions(&names);
        assert_eq!((versions.len(), unknown.len()), (2, 2));
    }
}
