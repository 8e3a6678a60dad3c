//! Certificates and keys out of PEM.

use super::TlsError;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fmt::Display;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificates of a PEM text, in order.
///
/// *Errors*: there is none, or one is broken.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Invalid(format!("invalid certificate: {error}")))?;
    if chain.is_empty() {
        Err(TlsError::Invalid("invalid certificate: no PEM block".into()))
    } else {
        Ok(chain)
    }
}

/// The private key of a PEM text.
pub fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| TlsError::Invalid(format!("invalid private key: {error}")))
}

/// A chain with its key, ready to sign.
///
/// *Errors*: either is broken, or they do not belong together.
pub fn certified_key(cert: &str, key: &str) -> Result<CertifiedKey, TlsError> {
    paired(chain(cert)?, private_key(key)?, &aws_lc_rs::default_provider())
}

/// The same, of what was read already. The certificate may be of any version: rustls takes only the third, which is
/// right of a certificate that is verified, and ours is only shown.
///
/// *Errors*: either is broken, or they do not belong together.
pub fn paired(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let broken = |error: &dyn Display| TlsError::Invalid(format!("invalid certificate: {error}"));
    let key = provider.key_provider.load_private_key(key)?;
    let first = chain.first().ok_or_else(|| broken(&"none is there"))?;
    let (_, certificate) = X509Certificate::from_der(first).map_err(|error| broken(&error))?;
    let known = certificate.public_key().raw;
    if key.public_key().is_some_and(|public| public.as_ref() != known) {
        return Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch).into());
    }
    Ok(CertifiedKey::new(chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_and_its_key_are_read_and_others_refused() {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(certified_key(&cert, &key).is_ok());
        assert!(certified_key(&cert, &other.signing_key.serialize_pem()).is_err());
        assert!(certified_key(&key, &cert).is_err());
        assert!(certified_key("", "").is_err());
    }

    /// A certificate of the first version, and its key.
    const OLD: (&str, &str) = (
        "\
-----BEGIN CERTIFICATE-----
MIIBIjCByQIUA/+Yb6bRNlgL7av4cjfSbVorEL8wCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIb2xkLnRlc3QwIBcNMjYxMTI4MDYwODA3WhgPMjEyNjExMDQwNjA4MDda
MBMxETAPBgNVBAMMCG9sZC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
R8MqzjXl9hVq2h7ZDbyaiTKs5y+6AcZzCgnMsKlWcI6E/MXrpt2nvkNQv/LxsUHW
GhIMSubGeSn5rG5dsTE+AzAKBggqhkjOPQQDAgNIADBFAiEAvwrKx2aaJNkS0YpZ
mPn3fcM4QoGEdwjEEhxy7FdY9CcCIB6vvIuksBsNM+hR003J3rC6z1HOqLkRngWh
LFGMz23m
-----END CERTIFICATE-----
",
        "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDZyaY8hPlKS9yH9a
GGhsKrYDxaaJUxJnHUUQ6QfpD8uhRANCAARHwyrONeX2FWraHtkNvJqJMqznL7oB
xnMKCcywqVZwjoT8xeum3ae+Q1C/8vGxQdYaEgxK5sZ5Kfmsbl2xMT4D
-----END PRIVATE KEY-----
",
    );

    #[test]
    fn a_certificate_of_the_first_version_is_shown_with_its_own_key_only() {
        let other = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        assert!(certified_key(OLD.0, OLD.1).is_ok());
        assert!(certified_key(OLD.0, &other.signing_key.serialize_pem()).is_err());
    }
}
