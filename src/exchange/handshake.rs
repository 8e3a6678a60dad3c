//! What plugins say about a TLS handshake, and certificates they bring.

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::hash::{Hash, Hasher};

/// What plugins said in the `certificate` phase about the handshake that waits for them.
#[derive(Debug, Default)]
pub struct Handshake {
    /// Whether the client is to have no session or ticket taken, and to get none.
    pub refuses_resumption: bool,
    /// Whether and how the client is asked for a certificate.
    pub client_certificate: Option<ClientCertificateRequest>,
    /// What is shown instead of the certificate that the gateway has for the server name.
    pub certificates: Option<Vec<OwnCertificate>>,
    /// The status of the certificate that goes with it, as an OCSP responder answered.
    pub ocsp: Option<Vec<u8>>,
}

/// How a client is asked for its certificate.
#[derive(Debug, Clone, Default)]
pub struct ClientCertificateRequest {
    /// The authorities that are named to the client, and by which its certificate is verified.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Most certificates between the client's and the authority's.
    pub depth: u32,
}

/// A chain and its key as a plugin sets them, one after the other.
#[derive(Debug)]
pub struct OwnCertificate {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key, once it is set.
    pub key: Option<PrivateKeyDer<'static>>,
}

/// A certificate chain and its private key, to be shown to a peer.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// What a plugin brings for TLS to the upstream, with a digest by which equal ones are the same.
#[derive(Debug)]
pub struct Brought<T> {
    /// What was brought.
    pub value: T,
    digest: [u8; 32],
}

impl Brought<ClientIdentity> {
    /// A certificate to show to the upstream.
    pub fn identity(identity: ClientIdentity) -> Self {
        let parts = identity.chain.iter().map(AsRef::as_ref).chain([identity.key.secret_der()]);
        Brought { digest: digest(parts), value: identity }
    }
}

impl Brought<Vec<CertificateDer<'static>>> {
    /// Authorities by which the upstream is verified.
    pub fn authorities(authorities: Vec<CertificateDer<'static>>) -> Self {
        Brought { digest: digest(authorities.iter().map(AsRef::as_ref)), value: authorities }
    }
}

impl<T> PartialEq for Brought<T> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl<T> Eq for Brought<T> {}

impl<T> Hash for Brought<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// A digest of all parts and where each ends.
fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plugins_bring_is_the_same_when_its_bytes_are() {
        let authorities = |all: &[&[u8]]| {
            Brought::authorities(all.iter().map(|der| CertificateDer::from(der.to_vec())).collect())
        };
        assert_eq!(authorities(&[b"a", b"b"]), authorities(&[b"a", b"b"]));
        assert_ne!(authorities(&[b"a", b"b"]), authorities(&[b"ab"]));
        assert_ne!(authorities(&[b"a", b"b"]), authorities(&[b"b", b"a"]));
    }
}
