//! Where the request goes, and what came of it.

use super::{Brought, ClientIdentity};
use crate::balancer::{AddressId, Peer};
use crate::http::{Fields, Scheme};
use crate::snapshot::Timeouts;
use rustls_pki_types::CertificateDer;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::sync::Arc;

/// The upstream side of an exchange: filled from route and service, changed by plugins in `access`,
/// read at every try.
#[derive(Debug, Default)]
pub struct Upstream {
    /// Index of the service in the snapshot.
    pub service: Option<usize>,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The host to reach: an IP address, a name, or the name of an upstream entity.
    pub host: Vec<u8>,
    /// The port; zero where the target decides.
    pub port: u16,
    /// The path to ask for, without query: `ngx.var.upstream_uri`.
    pub path: Vec<u8>,
    /// The `Host` to send when it is not that of the peer: the client's, or a plugin's.
    pub host_header: Option<Vec<u8>>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Tries after the first.
    pub retries: u32,
    /// Whether the peer's certificate must verify, when a plugin or the service says so.
    pub tls_verify: Option<bool>,
    /// How long a chain may be, when the service says so.
    pub tls_verify_depth: Option<u32>,
    /// Id of the certificate entity shown to the peer.
    pub client_certificate: Option<Arc<str>>,
    /// What a plugin shows to the peer instead.
    pub identity: Option<Arc<Brought<ClientIdentity>>>,
    /// By what authorities the peer is verified, when a plugin says so.
    pub authorities: Option<Arc<Brought<Vec<CertificateDer<'static>>>>>,
    /// Every try, in order.
    pub tries: SmallVec<[Try; 1]>,
    /// The field lines the upstream sent, before filters: kept only when a phase after it runs Lua.
    pub received: Fields,
    /// The upstream's status; zero while there is none.
    pub status: u16,
    /// Whether the connection was taken from the pool at the last try.
    pub reused: bool,
    /// What the balancer keeps for this exchange.
    pub balancing: Balancing,
}

/// What the balancer keeps for one exchange.
#[derive(Debug, Default)]
pub struct Balancing {
    /// The peer in use, to be handed back when its try is over.
    pub peer: Option<Peer>,
    /// Addresses that earlier tries used.
    pub tried: SmallVec<[AddressId; 1]>,
    /// What consistent hashing hashes, the same at every try; `None` before the first.
    pub hash: Option<String>,
    /// The `Set-Cookie` value that brings the client back to the same target.
    pub cookie: Option<String>,
}

impl Upstream {
    /// Forgets everything and keeps the memory.
    pub(super) fn renew(&mut self) {
        let (mut host, mut path) = (std::mem::take(&mut self.host), std::mem::take(&mut self.path));
        let mut received = std::mem::take(&mut self.received);
        host.clear();
        path.clear();
        received.clear();
        *self = Upstream { host, path, received, ..Upstream::default() };
    }

    /// Appends what each try came to, the answer of the last one last: `$upstream_status`. False when no peer was
    /// tried.
    ///
    /// *Kong parity*: a try that ended without a status is a dash.
    pub fn append_statuses(&self, out: &mut Vec<u8>) -> bool {
        let answered = (self.status != 0).then_some(self.status);
        let failed = |tried: &Try| tried.failure.map(|failure| failure.code);
        let Some((last, earlier)) = self.tries.split_last() else {
            append_status(answered, out);
            return answered.is_some();
        };
        for tried in earlier {
            append_status(failed(tried).or(Some(0)), out);
            out.extend_from_slice(b", ");
        }
        append_status(answered.or(failed(last)).or(Some(0)), out);
        true
    }
}

fn append_status(status: Option<u16>, out: &mut Vec<u8>) {
    match status {
        Some(0) => out.push(b'-'),
        Some(status) => out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes()),
        None => {}
    }
}

/// One attempt to reach a peer.
#[derive(Debug, Clone)]
pub struct Try {
    /// The peer's address.
    pub peer: SocketAddr,
    /// The host name the peer was found under.
    pub hostname: Option<Arc<str>>,
    /// When it began, in microseconds since the epoch.
    pub start: u64,
    /// Milliseconds spent choosing the peer.
    pub latency: u64,
    /// Why it failed; `None` when it did not.
    pub failure: Option<PeerFailure>,
}

/// How a try failed, in the words of `kong.log.serialize()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerFailure {
    /// `failed` when no response came, `next` when another peer should be tried for its status.
    pub state: &'static str,
    /// The status that stands for the failure: 502, 504 or what the upstream answered.
    pub code: u16,
}
