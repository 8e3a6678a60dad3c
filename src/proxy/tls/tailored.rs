//! Handshakes as plugins want them.

use super::TlsError;
use super::client_auth::AnyCertificate;
use super::pem;
use crate::exchange::{Handshake, OwnCertificate};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// The configuration of a listener, changed by what plugins said about one handshake.
///
/// *Errors*: a certificate that a plugin set lacks its key, or cannot be used.
pub(super) fn tailored(
    usual: &ServerConfig,
    versions: &[&'static SupportedProtocolVersion],
    handshake: &Handshake,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = usual.crypto_provider();
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
    let builder = match &handshake.client_certificate {
        Some(request) => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(request, provider.clone())))
        }
        None => builder.with_no_client_auth(),
    };
    let resolver: Arc<dyn ResolvesServerCert> = match &handshake.certificates {
        Some(own) => Arc::new(Own(certified(own, usual)?)),
        None => usual.cert_resolver.clone(),
    };
    let resolver = match &handshake.ocsp {
        Some(status) => Arc::new(Stapled { resolver, status: status.clone() }),
        None => resolver,
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.ignore_client_order = usual.ignore_client_order;
    config.alpn_protocols.clone_from(&usual.alpn_protocols);
    if handshake.refuses_resumption {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.session_storage = usual.session_storage.clone();
        config.ticketer = usual.ticketer.clone();
    }
    Ok(Arc::new(config))
}

/// Shows what a plugin set: the first that the client can verify.
#[derive(Debug)]
struct Own(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Own {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        super::certificates::suitable(&self.0, hello.signature_schemes())
    }
}

/// Shows what another would, with its status, which clients get that ask for it.
#[derive(Debug)]
struct Stapled {
    resolver: Arc<dyn ResolvesServerCert>,
    status: Vec<u8>,
}

impl ResolvesServerCert for Stapled {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut shown = CertifiedKey::clone(&*self.resolver.resolve(hello)?);
        shown.ocsp = Some(self.status.clone());
        Some(Arc::new(shown))
    }
}

fn certified(own: &[OwnCertificate], usual: &ServerConfig) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    own.iter()
        .map(|OwnCertificate { chain, key }| {
            let missing = || TlsError::Invalid("a plugin set a certificate without its key".into());
            let key = key.as_ref().ok_or_else(missing)?.clone_key();
            Ok(Arc::new(pem::paired(chain.clone(), key, usual.crypto_provider())?))
        })
        .collect()
}
