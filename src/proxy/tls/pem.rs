//! Certificates and keys out of PEM.

use super::TlsError;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

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
    let provider = aws_lc_rs::default_provider();
    Ok(CertifiedKey::from_der(chain(cert)?, private_key(key)?, &provider)?)
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
}
