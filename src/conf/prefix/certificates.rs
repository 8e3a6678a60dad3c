//! Self-signed certificates: for listeners without one, and for `kong hybrid gen_cert`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};

use super::{Prepared, owner};
use crate::conf::value::ConfValue;
use crate::conf::{Conf, ConfError};

const DAY: Duration = Duration::from_secs(86400);
/// The last second that a certificate's date can name, of the year 9999, after 1970.
const END_OF_CALENDAR: Duration = Duration::from_secs(253_402_300_799);
const DEFAULT_LIFETIME: Duration = DAY.saturating_mul(20 * 365);

/// Listeners, by the switch that says whether one has TLS, the properties of their certificates, and the
/// beginning of the file names.
const TARGETS: [(&[&str], &str, &str); 4] = [
    (&["proxy_ssl_enabled", "stream_proxy_ssl_enabled"], "", ""),
    (&["admin_ssl_enabled"], "admin_", "admin-"),
    (&["admin_gui_ssl_enabled"], "admin_gui_", "admin-gui-"),
    (&["status_ssl_enabled"], "status_", "status-"),
];

/// A certificate and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedKey {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: String,
}

#[derive(Debug, Clone, Copy)]
enum KeyType {
    Rsa2048,
    P256,
    P384,
}

/// Makes an RSA and an ECDSA certificate for each listener with TLS and without a certificate of the
/// user, unless they are there from an earlier start, and puts them into the configuration.
pub(super) fn make_defaults(prepared: &mut Prepared) -> Result<(), ConfError> {
    for (switches, property_prefix, file_prefix) in TARGETS {
        let conf = &prepared.conf;
        let has_tls = switches.iter().any(|switch| conf.value(switch) == Some(&ConfValue::Boolean(true)));
        let (cert, key) = (format!("{property_prefix}ssl_cert"), format!("{property_prefix}ssl_cert_key"));
        let is_empty = |name: &str| conf.value(name).is_none_or(|list| list.texts().next().is_none());
        if !has_tls || !is_empty(&cert) || !is_empty(&key) {
            continue;
        }
        let mut certificates = Vec::new();
        let mut keys = Vec::new();
        for (suffix, key_type) in [("", KeyType::Rsa2048), ("-ecdsa", KeyType::P256)] {
            let stem = conf.prefix.join("ssl").join(format!("{file_prefix}kong-default{suffix}"));
            let (certificate, key) = (stem.with_extension("crt"), stem.with_extension("key"));
            make_default(&certificate, &key, key_type)?;
            certificates.push(certificate.to_string_lossy().into_owned());
            keys.push(key.to_string_lossy().into_owned());
        }
        prepared.conf.set_values([
            (cert.as_str(), ConfValue::list(certificates)),
            (key.as_str(), ConfValue::list(keys)),
        ]);
    }
    Ok(())
}

fn make_default(certificate: &Path, key: &Path, key_type: KeyType) -> Result<(), ConfError> {
    if certificate.exists() || key.exists() {
        return Ok(());
    }
    let mut name = DistinguishedName::new();
    for (part, value) in [
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "California"),
        (DnType::LocalityName, "San Francisco"),
        (DnType::OrganizationName, "Kong"),
        (DnType::OrganizationalUnitName, "IT Department"),
        (DnType::CommonName, "localhost"),
    ] {
        name.push(part, value);
    }
    let mut params = self_signed(name, DEFAULT_LIFETIME);
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let pair = sign(params, key_type)?;
    owner::write_private(key, pair.key.as_bytes(), 0o600)?;
    owner::write_private(certificate, pair.certificate.as_bytes(), 0o644)
}

/// The certificate that all nodes of a hybrid deployment share (`cluster_mtls = shared`): each node's own and
/// each node's only authority. It does not claim to be an authority, because some verifiers refuse such a
/// certificate from a peer.
///
/// *Errors*: the key cannot be made.
pub fn cluster_certificate(days: u64) -> Result<CertifiedKey, ConfError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "kong_clustering");
    let params = self_signed(name, DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)));
    sign(params, KeyType::P384)
}

fn self_signed(name: DistinguishedName, lifetime: Duration) -> CertificateParams {
    let now = SystemTime::now();
    let lifetime =
        lifetime.min(END_OF_CALENDAR.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default()));
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = now.into();
    params.not_after = now.checked_add(lifetime).unwrap_or(now).into();
    params
}

fn sign(params: CertificateParams, key_type: KeyType) -> Result<CertifiedKey, ConfError> {
    let pair = match key_type {
        KeyType::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
    };
    let signed = pair.and_then(|pair| Ok((params.self_signed(&pair)?, pair)));
    let (certificate, pair) =
        signed.map_err(|error| ConfError::Prefix(format!("could not make a certificate: {error}")))?;
    Ok(CertifiedKey { certificate: certificate.pem(), key: pair.serialize_pem() })
}

impl Conf {
    /// Where the token of `X-Kong-Request-Debug-Token` is.
    pub fn debug_token_file(&self) -> PathBuf {
        debug_token_file(&self.prefix)
    }
}

fn debug_token_file(prefix: &Path) -> PathBuf {
    prefix.join(".request_debug_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_certificate_is_a_p384_one_for_kong_clustering() {
        let pair = cluster_certificate(3).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=kong_clustering");
        assert!(certificate.basic_constraints().unwrap().is_none());
        assert!(cluster_certificate(u64::MAX).is_ok(), "the calendar ends before");
        let lifetime =
            certificate.validity().not_after.timestamp() - certificate.validity().not_before.timestamp();
        assert_eq!(lifetime, 3 * 86400);
        let key = certificate.public_key().parsed().unwrap();
        assert!(matches!(key, x509_parser::public_key::PublicKey::EC(point) if point.key_size() == 384));
    }

    #[test]
    fn default_certificates_are_for_localhost_and_twenty_years() {
        let directory = tempfile::tempdir().unwrap();
        for (name, key_type) in [("rsa", KeyType::Rsa2048), ("ecdsa", KeyType::P256)] {
            let (certificate, key) =
                (directory.path().join(format!("{name}.crt")), directory.path().join(name));
            make_default(&certificate, &key, key_type).unwrap();
            let text = std::fs::read(&certificate).unwrap();
            let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
            let certificate = pem.parse_x509().unwrap();
            assert!(certificate.subject().to_string().ends_with("CN=localhost"));
            let days = (certificate.validity().not_after.timestamp()
                - certificate.validity().not_before.timestamp())
                / 86400;
            assert_eq!(days, 20 * 365);
            assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
            assert!(std::fs::read_to_string(&key).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        }
    }
}
