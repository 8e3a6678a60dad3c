//! The threads of a worker process: one for each worker, and the control thread.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::super::gateway::{Inherited, Loaded, Socket};
use super::super::message::Use;
use super::super::{ControlSetup, Gateway, Order, Ready, RuntimeError, WorkerSetup};
use super::Grants;

/// How the threads fare.
pub(super) struct Threads {
    /// How many have not ended.
    pub(super) running: usize,
    /// One unit for each thread that is ready.
    pub(super) ready: mpsc::UnboundedReceiver<()>,
    /// Threads that ended.
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
}

/// The end of a thread.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) outcome: Result<(), String>,
}

impl Threads {
    /// Starts all of them.
    pub(super) fn start<G: Gateway>(
        gateway: Arc<G>,
        loaded: Loaded<G::Configuration>,
        grants: Grants,
        orders: watch::Receiver<Order>,
        go: watch::Receiver<bool>,
        declarative_changes: mpsc::UnboundedReceiver<()>,
    ) -> Result<Threads, RuntimeError> {
        let workers = loaded.needs.workers.max(1);
        let (announce, ready) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::unbounded_channel();
        let ready_of = || Ready { announce: announce.clone(), go: go.clone() };
        let (dicts, mut shares) = (grants.dicts, share(grants.sockets, workers)?);
        let control = ControlSetup {
            configuration: Arc::clone(&loaded.configuration),
            workers,
            sockets: std::mem::take(&mut shares.control),
            orders: orders.clone(),
            ready: ready_of(),
            dicts: dicts.clone(),
            declarative_changes,
        };
        let owner = Arc::clone(&gateway);
        spawn("control".to_owned(), end.clone(), move |local, runtime| {
            local.block_on(runtime, owner.run_control(control))
        })?;
        for (id, sockets) in shares.workers.into_iter().enumerate() {
            let setup = WorkerSetup {
                configuration: Arc::clone(&loaded.configuration),
                id,
                workers,
                sockets,
                orders: orders.clone(),
                ready: ready_of(),
                dicts: dicts.clone(),
            };
            let owner = Arc::clone(&gateway);
            spawn(format!("worker {id}"), end.clone(), move |local, runtime| {
                local.block_on(runtime, owner.run_worker(setup))
            })?;
        }
        Ok(Threads { running: workers + 1, ready, ended })
    }
}

struct Shares {
    control: Vec<Inherited>,
    workers: Vec<Vec<Inherited>>,
}

/// Divides the sockets: own ones in turn, shared ones to everybody.
fn share(sockets: Vec<(Inherited, Use)>, workers: usize) -> Result<Shares, RuntimeError> {
    let mut shares = Shares { control: Vec::new(), workers: Vec::new() };
    shares.workers.resize_with(workers, Vec::new);
    for (inherited, purpose) in sockets {
        match purpose {
            Use::Control => shares.control.push(inherited),
            Use::Own(n) => {
                if let Some(worker) = shares.workers.get_mut(n % workers) {
                    worker.push(inherited);
                }
            }
            Use::Shared => {
                for worker in &mut shares.workers {
                    let socket = duplicate(&inherited.socket);
                    let socket = socket.map_err(RuntimeError::process("duplicating a socket"))?;
                    worker.push(Inherited { address: inherited.address.clone(), socket });
                }
            }
        }
    }
    Ok(shares)
}

fn duplicate(socket: &Socket) -> io::Result<Socket> {
    Ok(match socket {
        Socket::Tcp(socket) => Socket::Tcp(socket.try_clone()?),
        Socket::Unix(socket) => Socket::Unix(socket.try_clone()?),
    })
}

/// Starts a thread with a runtime, and reports its end, whatever it is.
fn spawn(
    name: String,
    end: mpsc::UnboundedSender<Ended>,
    work: impl FnOnce(&LocalSet, &tokio::runtime::Runtime) -> Result<(), String> + Send + 'static,
) -> Result<(), RuntimeError> {
    let thread = std::thread::Builder::new().name(name.clone());
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = match runtime {
            Ok(runtime) => catch_unwind(AssertUnwindSafe(|| work(&LocalSet::new(), &runtime)))
                .unwrap_or_else(|panic| Err(panic_text(&*panic))),
            Err(error) => Err(format!("no runtime: {error}")),
        };
        let _ = end.send(Ended { name, outcome });
    };
    thread.spawn(run).map(drop).map_err(RuntimeError::process("starting a thread"))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Address;

    fn socket() -> Inherited {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Inherited { address: Address::Tcp(socket.local_addr().unwrap()), socket: Socket::Tcp(socket) }
    }

    #[test]
    fn every_socket_has_a_worker_also_when_there_are_more_sockets_than_workers() {
        let sockets = (0..5).map(|n| (socket(), Use::Own(n))).chain([(socket(), Use::Shared)]).collect();
        let shares = share(sockets, 2).unwrap();
        assert_eq!(shares.workers.iter().map(Vec::len).collect::<Vec<_>>(), [3 + 1, 2 + 1]);
        assert!(shares.control.is_empty());
    }
}
