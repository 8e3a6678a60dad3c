//! Bytes in, bytes out.
//!
//! A worker accepts connections ([`listener`]), takes each through PROXY protocol and TLS to its
//! protocol ([`client`]), and sends each request through the [`pipeline`], which reads like the way of
//! a request: rewrite, route, access, balancer, send, filters, log.
//!
//! - [`h1`]: the HTTP/1 codec, pure bytes; [`Wire`]: a connection with buffers and [`deadline`]s
//! - [`client`]: the clients' side; [`Downstream`] is what the pipeline sees of it
//! - [`upstream`]: peers, connections, tries, answers
//! - [`tls`]: certificates and handshakes
//! - [`routing`], [`forwarded`], [`response_fields`], [`error_response`]: what the gateway itself decides
//! - [`Plugins`]: who runs the plugins of a phase; [`request_debug`]: where the time of a request went
//! - [`Worker`]: what the connections of one thread share; [`serve_worker`] runs it
//!
//! One thread serves one worker: connections, pools and exchanges are never shared between threads.

pub mod access_log;
mod buffers;
pub mod client;
pub mod deadline;
mod downstream;
mod early;
mod error;
mod error_pages;
pub mod error_response;
pub mod forwarded;
pub mod h1;
pub mod listener;
mod phases;
pub mod pipeline;
mod proxy_protocol;
pub mod request_debug;
mod response_fields;
pub mod routing;
pub mod settings;
mod stream;
#[cfg(test)]
mod tests;
pub mod tls;
mod tunnel;
pub mod upstream;
mod wire;
mod worker;

pub use crate::exchange::LogContext;
pub use downstream::Downstream;
pub use error::{Origin, ProxyError};
pub use listener::{Accept, Arrival, Entrance};
pub use phases::Plugins;
pub use settings::Settings;
pub use stream::{Plain, Stream};
pub use wire::{Wire, WireError};
pub use worker::{Worker, WorkerParts};

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Runs a worker on this thread until its listeners accept no more, `drain` is over and its last
/// connection has ended.
///
/// `entrances` are listening sockets and what their connections begin with. From the end of `drain` on
/// connections end after their next response. Who cannot wait for the last one drops the future.
///
/// *Invariant*: it runs within a `LocalSet`.
pub async fn serve_worker<A: Accept + 'static>(
    worker: Rc<Worker>,
    entrances: Vec<(A, Entrance)>,
    drain: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn_local(deadline::watch());
    tasks.spawn_local(tick(worker.clone()));
    tasks.spawn_local(access_log::write_batches(worker.clone()));
    let mut accepting = JoinSet::new();
    for (socket, entrance) in entrances {
        accepting.spawn_local(entrance.admit_all(worker.clone(), socket));
    }
    drain.await;
    worker.drain();
    while accepting.join_next().await.is_some() {}
    worker.all_closed().await;
    worker.access_log.borrow_mut().flush();
}

async fn tick(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        worker.tick();
    }
}
