//! TLS towards clients.
//!
//! [`ServerTls`] is made once per worker process and listener, and shared by its workers, so that
//! tickets of one are taken by all. The certificate is chosen by the server name that the client asks
//! for: a certificate entity of the snapshot ([`Chooser`]), or the configured default; plugins may show another and
//! ask the client for its own in the `certificate` phase.
//!
//! *Kong parity*: TLS 1.2 and 1.3. Older versions and cipher suites without forward secrecy or AEAD,
//! which Kong's `old` suite has, are not spoken; the log says so at start.

mod accept;
mod certificates;
mod client_auth;
mod hello;
mod names;
mod pem;
mod tailored;
mod trust;

pub use accept::{Handshake, ServerTls};
pub use certificates::Chooser;
pub use names::{cipher_name, cipher_suites, version_name, versions};
pub use pem::{certified_key, chain, paired, private_key};
pub use trust::SnapshotTrust;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot load certificate \"{path}\": {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A text is no certificate or no key, or the two do not belong together.
    #[error("{0}")]
    Invalid(String),
    /// No version or no cipher suite is left.
    #[error("no TLS {0} that is supported")]
    Nothing(&'static str),
    /// The library refuses.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}
