//! A worker's listening sockets, and what connections on each begin with.

use super::Configuration;
use crate::conf::Listen;
use crate::exchange::Address;
use crate::proxy::{Accept, Arrival, Entrance, Plain};
use crate::runtime::{Accepted, Acceptor, Inherited, Order, resolve};
use tokio::sync::watch;

/// A socket of the master's, accepted from by this worker.
pub(super) struct Door(Acceptor);

/// Pairs each socket with its listener's flags.
///
/// *Errors*: a socket that the thread's runtime refuses.
pub(super) fn open(
    shared: &Configuration,
    sockets: Vec<Inherited>,
    orders: &watch::Receiver<Order>,
) -> Result<Vec<(Door, Entrance)>, String> {
    let mut doors = Vec::with_capacity(sockets.len());
    // *Kong parity*: one listener with `http2` turns it on for all, as nginx does for a server.
    let http2 = shared.conf.proxy_listen.iter().any(|listen| listen.http2);
    for inherited in sockets {
        let is_its = |listen: &&Listen| resolve(&listen.address).as_ref() == Ok(&inherited.address);
        let Some(listen) = shared.conf.proxy_listen.iter().find(is_its) else { continue };
        let tls = shared.tls.proxy.as_ref().filter(|_| listen.ssl).cloned();
        let entrance = Entrance { proxy_protocol: listen.proxy_protocol, http2, tls };
        let address = inherited.address.clone();
        let acceptor =
            Acceptor::new(inherited, orders.clone()).map_err(|error| format!("{address}: {error}"))?;
        doors.push((Door(acceptor), entrance));
    }
    Ok(doors)
}

impl Accept for Door {
    async fn accept(&mut self) -> Option<Arrival> {
        Some(match self.0.accept().await? {
            Accepted::Tcp(stream, peer) => {
                // A connection that is gone already fails at its first read.
                let _ = stream.set_nodelay(true);
                Arrival { stream: Plain::Tcp(stream), peer: Address::inet(peer) }
            }
            Accepted::Unix(stream) => Arrival { stream: Plain::Unix(stream), peer: Address::unix() },
        })
    }
}
