//! How much of a server's certificate is verified.

use super::client_chain::server_defect;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::time::ASN1Time;

/// Why a server's certificate is not trusted, by OpenSSL's number and words: within
/// [`CertificateError::Other`].
#[derive(Debug, thiserror::Error)]
#[error("{code}:{words}")]
pub struct Distrust {
    /// As in `X509_V_ERR_…`.
    pub code: i32,
    /// In the words of OpenSSL 3.
    pub words: String,
}

/// Takes any certificate; signatures of the handshake are still checked.
#[derive(Debug)]
pub struct Unverified(Arc<CryptoProvider>);

/// Verifies, and bounds the number of intermediate certificates.
///
/// *Kong parity*: a server may show one of the trusted certificates itself, as OpenSSL lets it: most certificates that
/// sign themselves are made as an authority's.
#[derive(Debug)]
pub struct DepthLimited {
    inner: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    depth: usize,
    any_name: bool,
}

impl Unverified {
    /// With the provider's signature algorithms.
    pub fn new(provider: Arc<CryptoProvider>) -> Unverified {
        Unverified(provider)
    }
}

impl DepthLimited {
    /// At most `depth` certificates between the leaf and an authority of `roots`.
    ///
    /// *Errors*: there are no authorities.
    pub fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        depth: usize,
    ) -> Result<DepthLimited, VerifierBuilderError> {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider).build()?;
        Ok(DepthLimited { inner, roots, depth, any_name: false })
    }

    /// Whether a certificate signs itself and is one of those that are trusted.
    fn is_trusted_itself(&self, leaf: &CertificateDer<'_>) -> bool {
        let mut own = RootCertStore::empty();
        let is_own = x509_parser::parse_x509_certificate(leaf)
            .is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer());
        is_own
            && own.add(leaf.clone().into_owned()).is_ok()
            && own.roots.iter().all(|anchor| self.roots.roots.contains(anchor))
    }

    /// Verifies a certificate that is trusted itself: when, and for whom, it is good.
    fn verify_trusted(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = ASN1Time::from_timestamp(now.as_secs().try_into().unwrap_or(i64::MAX))
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if now < parsed.validity().not_before {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > parsed.validity().not_after {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)
            .map(|()| ServerCertVerified::assertion())
    }

    /// A reason in OpenSSL's terms; that of a wrong name, and one that OpenSSL does not have, stay as they are.
    fn defect(
        &self,
        reason: CertificateError,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> CertificateError {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        if matches!(reason, NotValidForName | NotValidForNameContext { .. }) {
            return reason;
        }
        match server_defect(leaf, intermediates, self.depth) {
            Some((code, words)) => CertificateError::Other(OtherError(Arc::new(Distrust { code, words }))),
            None => reason,
        }
    }

    /// The same for a server whose name is not known: its certificate may be for any.
    #[must_use]
    pub fn with_any_name(self) -> DepthLimited {
        DepthLimited { any_name: true, ..self }
    }
}

impl Distrust {
    /// What a failed handshake says of the server's certificate; none if it failed otherwise.
    pub fn of(error: &Error) -> Option<&Distrust> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
            _ => None,
        }
    }
}

/// Whether a certificate without names of hosts has this one as its common name.
///
/// *Kong parity*: OpenSSL looks there as well.
fn has_common_name(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let (Ok((_, parsed)), ServerName::DnsName(wanted)) = (x509_parser::parse_x509_certificate(leaf), name)
    else {
        return false;
    };
    let wanted = wanted.as_ref();
    let hosts = parsed.subject_alternative_name().ok().flatten();
    let names_hosts = hosts.is_some_and(|names| {
        names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(_)))
    });
    !names_hosts
        && parsed.subject().iter_common_name().filter_map(|common| common.as_str().ok()).any(|common| match (
            common.strip_prefix("*."),
            wanted.split_once('.'),
        ) {
            (Some(domain), Some((_, rest))) => domain.eq_ignore_ascii_case(rest),
            _ => common.eq_ignore_ascii_case(wanted),
        })
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for DepthLimited {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Servers send more than is needed where an authority is known by another's signature as well. What
        // counts are those next to the leaf.
        let intermediates = intermediates.get(..self.depth).unwrap_or(intermediates);
        // The name is looked at last: only a certificate that is good in all other ways fails by it.
        let verified = if self.is_trusted_itself(leaf) {
            self.verify_trusted(leaf, name, now)
        } else {
            self.inner.verify_server_cert(leaf, intermediates, name, ocsp, now)
        };
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name || has_common_name(leaf, name) => Ok(ServerCertVerified::assertion()),
            Err(Error::InvalidCertificate(reason)) => {
                Err(Error::InvalidCertificate(self.defect(reason, leaf, intermediates)))
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(verifier: &DepthLimited, leaf: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(leaf, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn a_name_of_a_host_may_stand_in_the_subject_where_there_is_no_other() {
        let own = |names: &[&str], common: &str| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut parameters = rcgen::CertificateParams::new(names).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, common);
            parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
        };
        let is_taken = |names: &[&str], common: &str, asked: &str| {
            let (own, mut roots) = (own(names, common), RootCertStore::empty());
            roots.add(own.clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let verifier = DepthLimited::new(Arc::new(roots), provider, 1).unwrap();
            verify(&verifier, &own, asked).is_ok()
        };
        assert!(is_taken(&[], "LocalHost", "localhost"));
        assert!(is_taken(&[], "*.own.test", "a.own.test"));
        assert!(!is_taken(&[], "*.own.test", "a.b.own.test"));
        assert!(!is_taken(&[], "other.test", "own.test"));
        assert!(!is_taken(&["other.test"], "own.test", "own.test"));
    }

    #[test]
    fn a_distrusted_certificate_is_told_of_in_the_terms_of_openssl() {
        let key = || rcgen::KeyPair::generate().unwrap();
        let parameters = |name: &str| rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let own = parameters("own.test").self_signed(&key()).unwrap().der().clone();
        let mut parameters = parameters("ended.test");
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let ended = parameters.self_signed(&key()).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(ended.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = DepthLimited::new(Arc::new(roots), provider, 1).unwrap();
        for (leaf, name, told) in [
            (&own, "own.test", "18:self-signed certificate"),
            (&ended, "ended.test", "10:certificate has expired"),
        ] {
            let error = verify(&verifier, leaf, name).unwrap_err();
            assert_eq!(Distrust::of(&error).map(ToString::to_string).as_deref(), Some(told), "{error:?}");
        }
    }

    #[test]
    fn a_server_may_show_a_trusted_certificate_that_signs_itself() {
        let certificate = |is_authority: bool| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut parameters = rcgen::CertificateParams::new(vec!["own.test".to_owned()]).unwrap();
            if is_authority {
                parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }
            parameters.self_signed(&key).unwrap().der().clone()
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        for own in [certificate(true), certificate(false)] {
            let mut roots = RootCertStore::empty();
            roots.add(own.clone()).unwrap();
            let verifier = DepthLimited::new(Arc::new(roots), Arc::clone(&provider), 1).unwrap();
            assert_eq!(verify(&verifier, &own, "own.test"), Ok(()));
            let other_name = verify(&verifier, &own, "other.test").unwrap_err();
            let is_named = matches!(
                other_name,
                Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                )
            );
            assert!(is_named, "{other_name}");
            assert!(verify(&verifier, &certificate(true), "own.test").is_err());
        }
    }
}
