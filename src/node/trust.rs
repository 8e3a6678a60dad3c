//! The authorities that Lua's sockets trust: `lua_ssl_trusted_certificate`.

use crate::conf::Conf;
use crate::observability::log;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::sync::{Arc, OnceLock};

/// What the configuration of this process names; `None` leaves it to the system. A file that cannot be read
/// is told: it was there when the configuration was checked.
///
/// *Cost*: files are read once in a process.
pub(super) fn authorities(conf: &Conf) -> Option<Arc<RootCertStore>> {
    static READ: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if conf.lua_ssl_trusted_certificate.is_empty() {
        return None;
    }
    Some(Arc::clone(READ.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        for path in &conf.lua_ssl_trusted_certificate {
            let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match chain {
                Ok(chain) => drop(roots.add_parsable_certificates(chain)),
                Err(error) => log::error!("lua_ssl_trusted_certificate: {path}: {error}"),
            }
        }
        Arc::new(roots)
    })))
}
