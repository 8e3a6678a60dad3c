//! Where a try goes.

use crate::exchange::Exchange;
use crate::proxy::ProxyError;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// One address to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where to connect to.
    pub address: SocketAddr,
    /// The name the peer was found under: what `Host` says unless somebody set it.
    pub hostname: Arc<str>,
}

/// What came of a try, for whoever chose its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A response came, with this status.
    Status(u16),
    /// No connection, or it broke.
    Failed,
    /// The peer was too slow.
    TimedOut,
    /// It says nothing about the peer: the client went away, or its body broke off.
    Abandoned,
}

/// Chooses peers: the balancer, or a look-up of the service's host.
pub trait PeerPicker {
    /// The peer for the next try of this exchange, when it can be told without waiting.
    fn pick_now(&self, exchange: &mut Exchange) -> Option<Result<Peer, ProxyError>>;

    /// The peer for the next try of this exchange.
    fn pick<'a>(
        &'a self,
        exchange: &'a mut Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Peer, ProxyError>> + 'a>>;

    /// Tells what came of the last try; called once for each peer picked.
    fn report(&self, exchange: &mut Exchange, outcome: Outcome);
}

/// Takes `host` and `port` as they are and asks the system's resolver: no upstream entities.
#[derive(Debug, Default)]
pub struct LookupPeers;

impl PeerPicker for LookupPeers {
    fn pick_now(&self, exchange: &mut Exchange) -> Option<Result<Peer, ProxyError>> {
        let host = std::str::from_utf8(&exchange.upstream.host).ok()?;
        let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let address = SocketAddr::new(ip, exchange.upstream.port);
        Some(Ok(Peer { address, hostname: hostname(exchange, host) }))
    }

    fn pick<'a>(
        &'a self,
        exchange: &'a mut Exchange,
    ) -> Pin<Box<dyn Future<Output = Result<Peer, ProxyError>> + 'a>> {
        Box::pin(async {
            let host = String::from_utf8_lossy(&exchange.upstream.host).into_owned();
            let unresolved =
                || ProxyError::NoPeer { status: 503, message: "name resolution failed".to_owned() };
            let mut found = tokio::net::lookup_host((host.as_str(), exchange.upstream.port))
                .await
                .map_err(|_| unresolved())?;
            let address = found.next().ok_or_else(unresolved)?;
            Ok(Peer { address, hostname: hostname(exchange, &host) })
        })
    }

    fn report(&self, _: &mut Exchange, _: Outcome) {}
}

/// The host's name, shared with the service that has it.
fn hostname(exchange: &Exchange, host: &str) -> Arc<str> {
    let service = exchange.upstream.service.and_then(|index| exchange.snapshot.services.get(index));
    match service {
        Some(service) if *service.host == *host => service.host.clone(),
        _ => Arc::from(host),
    }
}
