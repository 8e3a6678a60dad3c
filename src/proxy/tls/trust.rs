//! Certificates for TLS to upstreams, out of the snapshot and the configuration.

use super::certificates::certificate;
use super::pem;
use crate::conf::Conf;
use crate::exchange::ClientIdentity;
use crate::observability::log;
use crate::proxy::upstream::UpstreamTrust;
use crate::snapshot::{Published, revealed};
use crate::vaults::{Vaults, kept};
use rustls::RootCertStore;
use std::sync::Arc;

/// Certificate and CA entities of the snapshot in force, `client_ssl_cert`, and the system's
/// authorities.
pub struct SnapshotTrust {
    published: Arc<Published>,
    client_ssl: Option<(String, String)>,
    system: Arc<RootCertStore>,
    vaults: Vaults,
}

impl SnapshotTrust {
    /// From the snapshot in force and the configuration.
    ///
    /// *Cost*: reads the system's authorities; share what it returns between listeners of a worker.
    pub fn new(conf: &Conf, published: Arc<Published>) -> SnapshotTrust {
        let pair = conf.client_ssl_cert.clone().zip(conf.client_ssl_cert_key.clone());
        let client_ssl = pair.filter(|_| conf.client_ssl);
        SnapshotTrust {
            published,
            client_ssl,
            system: Arc::new(authorities_of(conf)),
            vaults: Vaults::of_process(conf),
        }
    }
}

/// The authorities of `proxy_ssl_trusted_certificate`, else of `lua_ssl_trusted_certificate`, where
/// `system` means the system's.
fn authorities_of(conf: &Conf) -> RootCertStore {
    let named = match &conf.nginx.proxy.proxy_ssl_trusted_certificate {
        // nginx finds files from its prefix
        Some(path) => vec![conf.prefix.join(path).to_string_lossy().into_owned()],
        None => conf.lua_ssl_trusted_certificate.clone(),
    };
    let mut roots = RootCertStore::empty();
    if named.is_empty() || named.iter().any(|name| name == "system") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for path in named.iter().filter(|name| *name != "system") {
        match super::accept::text_of(path).and_then(|text| pem::chain(&text)) {
            Ok(chain) => {
                roots.add_parsable_certificates(chain);
            }
            Err(error) => log::error!("{error}"),
        }
    }
    roots
}

impl UpstreamTrust for SnapshotTrust {
    fn identity(&self, id: Option<&str>) -> Option<ClientIdentity> {
        let (cert, key) = match id {
            Some(id) => {
                let snapshot = self.published.current();
                let entity = certificate(&snapshot, id)?;
                let text = |field| {
                    let text = entity.get(field).and_then(serde_json::Value::as_str)?;
                    Some(revealed(&self.vaults, snapshot.dataset.as_deref(), text).into_owned())
                };
                (text("cert")?, text("key")?)
            }
            None => {
                let (cert, key) = self.client_ssl.as_ref()?;
                (super::accept::text_of(cert).ok()?, super::accept::text_of(key).ok()?)
            }
        };
        let identity =
            pem::chain(&cert).and_then(|chain| Ok(ClientIdentity { chain, key: pem::private_key(&key)? }));
        identity.inspect_err(|error| log::error!("client certificate cannot be used: {error}")).ok()
    }

    fn authorities(&self, ids: &[Arc<str>]) -> Arc<RootCertStore> {
        if ids.is_empty() {
            return self.system.clone();
        }
        let snapshot = self.published.current();
        let entities = snapshot.dataset.as_ref().and_then(|dataset| dataset.collection("ca_certificates"));
        let mut roots = RootCertStore::empty();
        for id in ids {
            let entity = entities.and_then(|entities| entities.select(id));
            let pem = entity.as_ref().and_then(|entity| entity.get("cert")?.as_str());
            if let Some(Ok(chain)) = pem.map(pem::chain) {
                roots.add_parsable_certificates(chain);
            }
        }
        Arc::new(roots)
    }

    fn version(&self) -> u64 {
        // Both only grow: the sum is another when one is.
        self.published.certificates_version() + kept::version()
    }
}
