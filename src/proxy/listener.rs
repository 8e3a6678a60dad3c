//! What happens to a connection before its first request.

use super::client::h1_connection;
use super::tls::ServerTls;
use super::{Plain, Stream, Worker, deadline, proxy_protocol};
use crate::exchange::{Address, Client};
use crate::http::Scheme;
use crate::observability::log;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::spawn_local;

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub stream: Plain,
    /// Who connected.
    pub peer: Address,
}

/// Accepts connections from a listening socket.
pub trait Accept {
    /// The next connection; `None` when there will be no more.
    fn accept(&mut self) -> impl Future<Output = Option<Arrival>>;
}

/// The way in through one listener: what its connections begin with.
#[derive(Debug, Default)]
pub struct Entrance {
    /// Whether a PROXY protocol header comes first.
    pub proxy_protocol: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// TLS, when the listener is an `ssl` one.
    pub tls: Option<ServerTls>,
}

impl Entrance {
    /// Serves every connection that `socket` accepts, each in a task of its own.
    pub async fn admit_all(self, worker: Rc<Worker>, mut socket: impl Accept) {
        let entrance = Rc::new(self);
        while let Some(arrival) = socket.accept().await {
            let guard = worker.count_connection();
            let (worker, entrance) = (worker.clone(), entrance.clone());
            spawn_local(async move {
                entrance.admit(worker, arrival).await;
                drop(guard);
            });
        }
    }

    /// Takes a new connection through PROXY protocol and TLS to its protocol.
    async fn admit(&self, worker: Rc<Worker>, arrival: Arrival) {
        let Arrival { mut stream, peer } = arrival;
        let Some(local) = stream.local_address() else { return };
        let patience = worker.settings.client_header_timeout;
        let mut client = Client {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            peer,
            local,
            scheme: Scheme::Http,
            tls: None,
            proxy_protocol: None,
            requests: Cell::new(0),
        };
        if self.proxy_protocol {
            let read = Box::pin(deadline::within(patience, proxy_protocol::read(&mut stream))).await;
            match read {
                Some(Ok(addresses)) => client.proxy_protocol = addresses,
                Some(Err(error)) => return log::error!("broken PROXY protocol header: {error}"),
                None => return,
            }
        }
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(tls) => match Box::pin(tls.accept(&worker, stream, &mut client)).await {
                Some(stream) => stream,
                None => return,
            },
        };
        let client = Rc::new(client);
        h1_connection::serve(worker, stream, client).await;
    }
}
