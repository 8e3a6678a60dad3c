//! Which certificate a handshake shows.

use super::pem;
use crate::conf::Reference;
use crate::db::Entity;
use crate::observability::log;
use crate::snapshot::{Published, Snapshot, revealed};
use crate::vaults::{Vaults, kept};
use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Chooses certificates by server name: certificate entities of the snapshot in force, then the
/// default ones.
///
/// *Cost*: a key is parsed once while its entity stays the same one; the lock around them is held for a look-up,
/// or for the parsing.
pub struct Chooser {
    published: Arc<Published>,
    defaults: Vec<Arc<CertifiedKey>>,
    vaults: Vaults,
    parsed: Mutex<Parsed>,
}

#[derive(Default)]
struct Parsed {
    /// Of the certificates and of secrets of vaults written in Lua.
    version: (u64, u64),
    /// By certificate id; empty when the entity cannot be used.
    keys: HashMap<Arc<str>, Keys>,
}

/// The keys of an entity.
struct Keys {
    entity: Option<Arc<Entity>>,
    keys: Vec<Arc<CertifiedKey>>,
}

impl Chooser {
    /// From the snapshot in force, and `defaults` for names without a certificate: the first that the
    /// client can verify. `vaults` hold what entities refer to.
    pub fn new(published: Arc<Published>, defaults: Vec<Arc<CertifiedKey>>, vaults: Vaults) -> Chooser {
        Chooser { published, defaults, vaults, parsed: Mutex::default() }
    }

    /// Id of the certificate entity for a server name in lower case, where it may have secrets of vaults that are
    /// written in Lua.
    pub(super) fn with_secrets(&self, snapshot: &Snapshot, name: Option<&str>) -> Option<Arc<str>> {
        let id = snapshot.certificates.find(name.unwrap_or("*"));
        id.filter(|_| self.vaults.has_scripted()).cloned()
    }

    /// The certificate for a server name in lower case, of a kind that the client can verify.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.published.current();
        // A client without SNI gets the certificate of `*`, if there is one.
        let found = snapshot.certificates.find(name.unwrap_or("*"));
        found
            .and_then(|id| suitable(&self.keys(&snapshot, id), schemes))
            .or_else(|| suitable(&self.defaults, schemes))
    }

    fn keys(&self, snapshot: &Snapshot, id: &Arc<str>) -> Vec<Arc<CertifiedKey>> {
        let mut parsed = self.parsed.lock();
        let version = (snapshot.certificates_version, kept::version());
        if parsed.version != version {
            parsed.version = version;
            parsed.keys.retain(|id, known| stays(known.entity.as_ref(), certificate(snapshot, id).as_ref()));
        }
        let make = || Keys { entity: certificate(snapshot, id), keys: parse(snapshot, &self.vaults, id) };
        parsed.keys.entry(id.clone()).or_insert_with(make).keys.clone()
    }
}

/// Whether keys need not be parsed anew: the entity is the same one, and no vault has a part of it.
fn stays(one: Option<&Arc<Entity>>, other: Option<&Arc<Entity>>) -> bool {
    let same = matches!((one, other), (Some(one), Some(other)) if Arc::ptr_eq(one, other));
    same && !one.is_some_and(|entity| {
        entity.values().any(|value| value.as_str().is_some_and(Reference::is_reference))
    })
}

/// The one whose key can make a signature that the client verifies; the last for want of one.
pub(super) fn suitable(keys: &[Arc<CertifiedKey>], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    keys.iter().find(|key| key.key.choose_scheme(schemes).is_some()).or(keys.last()).cloned()
}

/// The keys of a certificate entity: its second pair first, which is the ECDSA one where both exist.
fn parse(snapshot: &Snapshot, vaults: &Vaults, id: &str) -> Vec<Arc<CertifiedKey>> {
    let Some(entity) = certificate(snapshot, id) else { return Vec::new() };
    let text = |field| {
        let text = entity.get(field).and_then(serde_json::Value::as_str)?;
        Some(revealed(vaults, snapshot.dataset.as_deref(), text))
    };
    let pairs = [(text("cert_alt"), text("key_alt")), (text("cert"), text("key"))];
    let mut keys = Vec::new();
    for pair in pairs {
        let (Some(cert), Some(key)) = pair else { continue };
        match pem::certified_key(&cert, &key) {
            Ok(key) => keys.push(Arc::new(key)),
            Err(error) => log::error!("certificate {id} cannot be used: {error}"),
        }
    }
    keys
}

/// A certificate entity of a snapshot.
pub(super) fn certificate(snapshot: &Snapshot, id: &str) -> Option<Arc<Entity>> {
    snapshot.dataset.as_ref()?.collection("certificates")?.select(id)
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.choose(name.as_deref(), hello.signature_schemes())
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chooser").field("defaults", &self.defaults.len()).finish_non_exhaustive()
    }
}
