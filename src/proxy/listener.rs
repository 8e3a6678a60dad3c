//! What happens to a connection before its first request.

use super::client::{h1_connection, h2_connection};
use super::tls::{Handshake, ServerTls};
use super::{Plain, ProxyError, Stream, Worker, deadline, proxy_protocol};
use crate::exchange::{self, Address, Client};
use crate::http::Scheme;
use crate::observability::log;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
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
                exchange::timed(entrance.admit(worker, arrival)).await;
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
            public_port: worker.settings.public_port(local.port()),
            local,
            scheme: Scheme::Http,
            tls: None,
            proxy_protocol: None,
            raw: Default::default(),
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
        match &self.tls {
            None => {
                let http2 = self.http2 && begins_with_preface(&stream, patience).await;
                serve(worker, Stream::Plain(stream), client, http2).await;
            }
            Some(tls) => {
                let handshake = deadline::within(patience, tls.accept(&worker, stream, &mut client));
                match Box::pin(handshake).await {
                    Some(Handshake::Done { stream, http2 }) => serve(worker, stream, client, http2).await,
                    Some(Handshake::Plain(stream)) => {
                        let refusal = Some(ProxyError::PlainToTls);
                        h1_connection::serve(worker, Stream::Plain(stream), Rc::new(client), refusal).await;
                    }
                    Some(Handshake::Failed) | None => {}
                }
            }
        }
    }
}

async fn serve(worker: Rc<Worker>, stream: Stream, client: Client, http2: bool) {
    let client = Rc::new(client);
    if http2 {
        Box::pin(h2_connection::serve(worker, stream, client)).await;
    } else {
        h1_connection::serve(worker, stream, client, None).await;
    }
}

/// Whether a client begins with HTTP/2's preface: prior knowledge (RFC 9113, section 3.3).
async fn begins_with_preface(stream: &Plain, patience: u64) -> bool {
    let look = async {
        let mut seen = [0; PREFACE.len()];
        loop {
            let read = stream.peek(&mut seen).await.unwrap_or(0);
            let seen = seen.get(..read).unwrap_or_default();
            if read == 0 || !PREFACE.starts_with(seen) {
                return false;
            }
            if read == PREFACE.len() {
                return true;
            }
            // Peeking again would return the same at once.
            tokio::time::sleep(RETRY).await;
        }
    };
    Box::pin(deadline::within(patience, look)).await.unwrap_or(false)
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Between two looks at a preface that came in part.
const RETRY: Duration = Duration::from_millis(5);
