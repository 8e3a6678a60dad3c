//! A worker's listening sockets, and what connections on each begin with.

use super::Configuration;
use crate::conf::Listen;
use crate::exchange::Address;
use crate::proxy::tls::ServerTls;
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
    for inherited in sockets {
        let is_its = |listen: &&Listen| resolve(&listen.address).as_ref() == Ok(&inherited.address);
        let Some(listen) = shared.conf.proxy_listen.iter().find(is_its) else { continue };
        let entrance =
            Entrance { proxy_protocol: listen.proxy_protocol, http2: listen.http2, tls: tls(shared, listen) };
        let address = inherited.address.clone();
        let acceptor =
            Acceptor::new(inherited, orders.clone()).map_err(|error| format!("{address}: {error}"))?;
        doors.push((Door(acceptor), entrance));
    }
    Ok(doors)
}

fn tls(shared: &Configuration, listen: &Listen) -> Option<ServerTls> {
    let tls = if listen.http2 { &shared.tls.http2 } else { &shared.tls.http1 };
    tls.as_ref().filter(|_| listen.ssl).cloned()
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
