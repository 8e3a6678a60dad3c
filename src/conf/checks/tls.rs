//! Certificates of the listeners, cipher suites, trusted authorities.

use std::path::Path;

use super::ciphers::{self, SUITES};
use super::pem::{self, Content};
use super::{Findings, ciphers::is_dh_group};
use crate::conf::paths::absolute;
use crate::conf::value::ConfValue;
use crate::conf::values::Values;

/// The listen properties that the certificates of each target are for, and the beginning of its
/// properties.
const TARGETS: [(&[&str], &str); 4] = [
    (&["proxy_listen", "stream_listen"], ""),
    (&["admin_listen"], "admin_"),
    (&["admin_gui_listen"], "admin_gui_"),
    (&["status_listen"], "status_"),
];

/// Where systems keep the bundle of authorities that they trust.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Replaces `system` in `lua_ssl_trusted_certificate` by the system's bundle, if it has one, and checks
/// the other items.
pub fn check_authorities(values: &mut Values, findings: &mut Findings) {
    const NAME: &str = "lua_ssl_trusted_certificate";
    let mut authorities = Vec::new();
    for item in values.texts(NAME) {
        match item.as_str() {
            "system" => {
                let bundle = SYSTEM_BUNDLES.into_iter().find(|path| Path::new(path).exists());
                authorities.extend(bundle.map(str::to_owned));
            }
            item => authorities.push(pem::check(NAME, item, Content::Certificate, findings)),
        }
    }
    values.set(NAME, ConfValue::list(authorities));
}

/// Checks the certificates of every listener with TLS, and the client certificate.
pub fn check_certificates(values: &mut Values, findings: &mut Findings) {
    for (listens, prefix) in TARGETS {
        if listens.iter().any(|name| values.texts(name).iter().any(|entry| has_tls(entry))) {
            check_target(values, prefix, findings);
        }
    }
    if values.is_on("client_ssl") {
        check_client(values, findings);
    }
}

fn has_tls(entry: &str) -> bool {
    entry.split_whitespace().skip(1).any(|flag| flag == "ssl")
}

fn check_target(values: &mut Values, prefix: &str, findings: &mut Findings) {
    let (cert, key) = (format!("{prefix}ssl_cert"), format!("{prefix}ssl_cert_key"));
    match (values.texts(&cert).len(), values.texts(&key).len()) {
        (0, 0) => {}
        (_, 0) => findings.error(format!("{key} must be specified")),
        (0, _) => findings.error(format!("{cert} must be specified")),
        (certs, keys) if certs != keys => findings
            .error(format!("{cert} was specified {certs} times while {key} was specified {keys} times")),
        _ => {}
    }
    pem::check_list(values, &cert, Content::Certificate, findings);
    pem::check_list(values, &key, Content::Key, findings);
}

fn check_client(values: &mut Values, findings: &mut Findings) {
    let is_set = |name: &str| values.text(name).is_some();
    match (is_set("client_ssl_cert"), is_set("client_ssl_cert_key")) {
        (true, false) => findings.error("client_ssl_cert_key must be specified"),
        (false, true) => findings.error("client_ssl_cert must be specified"),
        _ => {}
    }
    pem::check_text(values, "client_ssl_cert", Content::Certificate, findings);
    pem::check_text(values, "client_ssl_cert_key", Content::Key, findings);
}

/// Applies the named cipher suite, which overrides protocols, order and Diffie-Hellman group, and checks
/// the group.
pub fn check_suite(values: &mut Values, findings: &mut Findings) {
    let name = values.text("ssl_cipher_suite").unwrap_or_default().to_owned();
    match SUITES.iter().find(|suite| suite.name == name) {
        _ if name == "custom" => {}
        Some(suite) => apply(values, suite),
        None => findings.error(format!("Undefined cipher suite {name}")),
    }
    if let Some(group) = values.text("ssl_dhparam").map(str::to_owned) {
        if !is_dh_group(&group) && !Path::new(&group).exists() {
            let decoded = pem::decode(&group);
            if !decoded.contains("-----BEGIN DH PARAMETERS-----") {
                findings.error(format!("ssl_dhparam: failed loading certificate from {decoded}"));
            }
            values.set_text("ssl_dhparam", Some(&decoded));
        }
        return;
    }
    for name in ["nginx_http_ssl_dhparam", "nginx_stream_ssl_dhparam"] {
        if let Some(file) = values.text(name).filter(|file| *file != "NONE")
            && !is_dh_group(file)
            && !Path::new(file).exists()
        {
            findings.error(format!("{name}: no such file at {file}"));
        }
    }
}

fn apply(values: &mut Values, suite: &ciphers::Suite) {
    values.set_text("ssl_ciphers", suite.ciphers);
    for subsystem in ["nginx_http_", "nginx_stream_"] {
        values.set_text(&format!("{subsystem}ssl_protocols"), Some(suite.protocols));
        let order = if suite.server_order { "on" } else { "off" };
        values.set_text(&format!("{subsystem}ssl_prefer_server_ciphers"), Some(order));
        if suite.name != "old" {
            values.set_text(&format!("{subsystem}ssl_dhparam"), suite.dhparam);
        }
    }
    if suite.name != "old" {
        values.set_text("ssl_dhparam", suite.dhparam);
    }
}

/// Makes the paths of certificates and keys absolute, so that they mean the same in every process.
pub fn make_absolute(values: &mut Values) {
    let pairs = TARGETS.iter().map(|(_, prefix)| format!("{prefix}ssl_cert"));
    let names = pairs
        .flat_map(|cert| [format!("{cert}_key"), cert])
        .chain(
            ["client_ssl_cert", "client_ssl_cert_key", "cluster_cert", "cluster_cert_key", "cluster_ca_cert"]
                .map(str::to_owned),
        )
        .chain(["lua_ssl_trusted_certificate".to_owned()]);
    let resolve = |text: &str| {
        let path = Path::new(text);
        if path.exists() { absolute(path).to_string_lossy().into_owned() } else { text.to_owned() }
    };
    for name in names {
        let replaced = match values.find(&name) {
            Some(ConfValue::String(text)) => ConfValue::String(resolve(text)),
            Some(list @ ConfValue::Array(_)) => ConfValue::list(list.texts().map(resolve)),
            _ => continue,
        };
        values.set(&name, replaced);
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{errors, load};
    use crate::conf::prefix::cluster_certificate;

    #[test]
    fn a_certificate_needs_its_key_where_tls_is_on() {
        let directory = tempfile::tempdir().unwrap();
        let pair = cluster_certificate(1).unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (cert, key) = (file("a.crt", &pair.certificate), file("a.key", &pair.key));
        for (prefix, listen) in [
            ("", "proxy_listen"),
            ("admin_", "admin_listen"),
            ("admin_gui_", "admin_gui_listen"),
            ("status_", "status_listen"),
        ] {
            let (cert_name, key_name) = (format!("{prefix}ssl_cert"), format!("{prefix}ssl_cert_key"));
            let tls = (listen, "127.0.0.1:123 ssl");
            assert_eq!(errors(&[tls, (&cert_name, &cert)]), [format!("{key_name} must be specified")]);
            assert_eq!(errors(&[tls, (&key_name, &key)]), [format!("{cert_name} must be specified")]);
            assert!(errors(&[tls, (&cert_name, &cert), (&key_name, &key)]).is_empty());
            assert!(errors(&[(listen, "127.0.0.1:123"), (&cert_name, &cert)]).is_empty());
            let two = format!("{cert},{cert}");
            assert_eq!(
                errors(&[tls, (&cert_name, &two), (&key_name, &key)]),
                [format!("{cert_name} was specified 2 times while {key_name} was specified 1 times")]
            );
            assert_eq!(
                errors(&[tls, (&cert_name, "path/cert.pem"), (&key_name, "path/key.pem")]),
                [
                    format!("{cert_name}: failed loading certificate from path/cert.pem"),
                    format!("{key_name}: failed loading key from path/key.pem")
                ]
            );
        }
    }

    #[test]
    fn the_client_certificate_is_checked_when_it_is_used() {
        let on = ("client_ssl", "on");
        assert!(errors(&[("client_ssl_cert", "path")]).is_empty());
        assert_eq!(
            errors(&[on, ("client_ssl_cert", "no/c.pem")]),
            [
                "client_ssl_cert_key must be specified",
                "client_ssl_cert: failed loading certificate from no/c.pem"
            ]
        );
    }

    #[test]
    fn content_in_base64_is_decoded() {
        let pair = cluster_certificate(1).unwrap();
        let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        let conf =
            load(&[("ssl_cert", &encode(&pair.certificate)), ("ssl_cert_key", &encode(&pair.key))]).unwrap();
        assert_eq!(conf.ssl_cert, [pair.certificate.as_str()]);
        assert_eq!(conf.ssl_cert_key, [pair.key.as_str()]);
    }

    #[test]
    fn the_named_suite_overrides_protocols_and_groups() {
        let default = load(&[]).unwrap();
        assert!(default.ssl_ciphers.unwrap().contains("ECDHE-RSA-AES128-GCM-SHA256"));
        assert_eq!(default.ssl_dhparam.as_deref(), Some("ffdhe2048"));
        assert!(!default.nginx.proxy.tls.ssl_prefer_server_ciphers);

        let modern = load(&[("ssl_cipher_suite", "modern")]).unwrap();
        assert_eq!(modern.nginx.proxy.tls.ssl_protocols, ["TLSv1.3"]);
        assert_eq!((modern.ssl_dhparam, modern.ssl_ciphers), (None, None));

        let custom = load(&[("ssl_cipher_suite", "custom"), ("ssl_ciphers", "mine")]).unwrap();
        assert_eq!(custom.ssl_ciphers.as_deref(), Some("mine"));
        assert_eq!(errors(&[("ssl_cipher_suite", "foo")]), ["Undefined cipher suite foo"]);
    }

    #[test]
    fn diffie_hellman_files_must_exist() {
        let custom = ("ssl_cipher_suite", "custom");
        assert_eq!(
            errors(&[custom, ("ssl_dhparam", "/path/to/dhparam.pem")]),
            ["ssl_dhparam: failed loading certificate from /path/to/dhparam.pem"]
        );
        assert_eq!(
            errors(&[custom, ("nginx_http_ssl_dhparam", "/path/to/dhparam.pem")]),
            ["nginx_http_ssl_dhparam: no such file at /path/to/dhparam.pem"]
        );
        assert!(errors(&[custom, ("ssl_dhparam", "ffdhe3072")]).is_empty());
    }

    #[test]
    fn authorities_are_files_content_or_the_systems() {
        assert_eq!(
            errors(&[("lua_ssl_trusted_certificate", "path/ca.crt")]),
            ["lua_ssl_trusted_certificate: failed loading certificate from path/ca.crt"]
        );
        let conf = load(&[("lua_ssl_trusted_certificate", "system")]).unwrap();
        assert!(conf.lua_ssl_trusted_certificate.iter().all(|path| path.starts_with("/etc/")));
    }
}
