//! TLS to upstreams.
//!
//! *Kong parity*: the peer's certificate is not verified unless the service or the configuration asks
//! for it; then against the service's CA certificates, or the system's when it names none.

use super::TlsKey;
use super::{Authorities, Identity};
use crate::exchange::ClientIdentity;
use crate::proxy::ProxyError;
use crate::proxy::tls::paired;
use crate::tls::{DepthLimited, Unverified};
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, Error, RootCertStore};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Where certificates of TLS to upstreams come from.
pub trait UpstreamTrust {
    /// The certificate entity with this id; with `None` the one of `client_ssl_cert`, if any.
    fn identity(&self, id: Option<&str>) -> Option<ClientIdentity>;

    /// The CA certificates with these ids; with none the system's.
    fn authorities(&self, ids: &[Arc<str>]) -> Arc<RootCertStore>;

    /// Changes whenever any of them may have.
    fn version(&self) -> u64;
}

/// Sessions to resume that a configuration keeps: those of an eighth as many server names, the latest.
const SESSIONS: usize = 1024;

/// What goes into a configuration: client certificate and verification of a [`TlsKey`].
///
/// *Invariant*: not the server name, which clients choose where a route preserves their host: as many as they
/// ask for would be kept.
type Terms = (Identity, Option<(u32, Authorities)>);

/// Configurations that are kept; when there would be more, those made so far are forgotten: plugins may bring
/// another certificate with each request.
const KEPT: usize = 256;

/// Makes TLS sessions to upstreams; configurations are made once, so that sessions are resumed.
pub struct UpstreamTls {
    provider: Arc<CryptoProvider>,
    trust: Box<dyn UpstreamTrust>,
    made: RefCell<(u64, HashMap<Terms, TlsConnector>)>,
}

impl UpstreamTls {
    /// With certificates from `trust`.
    pub fn new(trust: Box<dyn UpstreamTrust>) -> UpstreamTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        UpstreamTls { provider, trust, made: RefCell::default() }
    }

    /// Which certificates are in force; another number after each change of any.
    pub fn version(&self) -> u64 {
        self.trust.version()
    }

    /// The connector for sessions like `key`, and the name to ask for: the address when the SNI is not
    /// a name.
    ///
    /// *Errors*: the client certificate cannot be used.
    pub fn connector(
        &self,
        key: &TlsKey,
        address: IpAddr,
    ) -> Result<(TlsConnector, ServerName<'static>), ProxyError> {
        let name =
            std::str::from_utf8(&key.sni).ok().and_then(|sni| ServerName::try_from(sni.to_owned()).ok());
        let name = name.unwrap_or(ServerName::IpAddress(address.into()));
        let version = self.trust.version();
        let mut made = self.made.borrow_mut();
        if made.0 != version || made.1.len() >= KEPT {
            *made = (version, HashMap::new());
        }
        let terms = (key.identity.clone(), key.verified.clone());
        if let Some(connector) = made.1.get(&terms) {
            return Ok((connector.clone(), name));
        }
        let connector = TlsConnector::from(Arc::new(self.configure(key)?));
        made.1.insert(terms, connector.clone());
        Ok((connector, name))
    }

    fn configure(&self, key: &TlsKey) -> Result<ClientConfig, ProxyError> {
        let unusable = |error: Error| ProxyError::Tls(error.to_string());
        let verifier: Arc<dyn ServerCertVerifier> = match &key.verified {
            None => Arc::new(Unverified::new(self.provider.clone())),
            Some((depth, authorities)) => {
                let (roots, provider) = (self.roots(authorities), self.provider.clone());
                let verifier = DepthLimited::new(roots, provider, *depth as usize);
                Arc::new(verifier.map_err(|error| ProxyError::Tls(error.to_string()))?)
            }
        };
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity(&key.identity) {
            Some(ClientIdentity { chain, key }) => {
                let shown = paired(chain, key, &self.provider);
                let shown = shown.map_err(|error| ProxyError::Tls(error.to_string()))?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(config)
    }

    fn identity(&self, identity: &Identity) -> Option<ClientIdentity> {
        match identity {
            Identity::Configured => self.trust.identity(None),
            Identity::Entity(id) => self.trust.identity(Some(id)),
            Identity::Brought(brought) => Some(ClientIdentity {
                chain: brought.value.chain.clone(),
                key: brought.value.key.clone_key(),
            }),
        }
    }

    fn roots(&self, authorities: &Authorities) -> Arc<RootCertStore> {
        match authorities {
            Authorities::Entities(ids) => self.trust.authorities(ids),
            Authorities::Brought(brought) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(brought.value.iter().cloned());
                Arc::new(roots)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl UpstreamTrust for Nothing {
        fn identity(&self, _: Option<&str>) -> Option<ClientIdentity> {
            None
        }

        fn authorities(&self, _: &[Arc<str>]) -> Arc<RootCertStore> {
            Arc::new(RootCertStore::empty())
        }

        fn version(&self) -> u64 {
            1
        }
    }

    #[test]
    fn server_names_that_clients_choose_are_not_kept() {
        let tls = UpstreamTls::new(Box::new(Nothing));
        let connector = |number: u32, certificate: Option<&str>| {
            let sni = format!("host-{number}.test").into_bytes().into();
            let identity = certificate.map_or(Identity::Configured, |id| Identity::Entity(Arc::from(id)));
            let key = TlsKey { sni, identity, verified: None, version: 0 };
            tls.connector(&key, IpAddr::from([127, 0, 0, 1])).unwrap().1
        };
        for number in 0..20 {
            let name = connector(number, None);
            assert_eq!(name.to_str(), format!("host-{number}.test"));
        }
        assert_eq!(tls.made.borrow().1.len(), 1);
        connector(0, Some("certificate"));
        assert_eq!(tls.made.borrow().1.len(), 2);
    }
}
