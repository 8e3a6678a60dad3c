//! The trait by which the gateway proper plugs into the processes, and what its threads are given.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::{Address, Needs};
use crate::shm::Dicts;

/// What runs in a worker process.
///
/// `load` is called once, before any thread exists. Then every thread gets a current-thread tokio runtime with a
/// `LocalSet` around it, and calls one of the others. A thread that ends before it was ordered to, or panics, ends
/// the process; the master replaces it.
pub trait Gateway: Send + Sync + 'static {
    /// The validated configuration, shared by all threads.
    type Configuration: Send + Sync + 'static;

    /// Reads the configuration.
    ///
    /// Runs as the master's user: files that only root may read are read here. For [`Source::Files`] it leaves
    /// the resolved configuration in [`Origin::candidate`]; the master puts it in place once it serves.
    ///
    /// # Errors
    /// The text is what `kong start` and `kong reload` print.
    fn load(&self, origin: &Origin) -> Result<Loaded<Self::Configuration>, String>;

    /// Runs a worker until it is ordered to end and its last connection has.
    ///
    /// # Errors
    /// Before it was ready: the reason why the start or the reload is refused.
    fn run_worker(&self, setup: WorkerSetup<Self::Configuration>)
    -> impl Future<Output = Result<(), String>>;

    /// Runs the control thread until it is ordered to end.
    ///
    /// # Errors
    /// As for workers.
    fn run_control(
        &self,
        setup: ControlSetup<Self::Configuration>,
    ) -> impl Future<Output = Result<(), String>>;
}

/// Where a worker process finds its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The prefix, absolute.
    pub prefix: PathBuf,
    /// The kong.conf that `kong start -c` (or `kong reload -c`) named, absolute.
    pub conf: Option<PathBuf>,
    /// What is to be read.
    pub source: Source,
    /// For a file that lies over [`Origin::running`], because a reload named it: the variables that lie over both.
    pub variables: Option<BTreeSet<String>>,
}

impl Origin {
    /// The file with the configuration that serves: `.kong_env`.
    pub fn running(&self) -> PathBuf {
        self.prefix.join(".kong_env")
    }

    /// The file with the configuration that is about to serve.
    pub fn candidate(&self) -> PathBuf {
        self.prefix.join(CANDIDATE)
    }
}

/// Name of the candidate's file under the prefix.
pub(super) const CANDIDATE: &str = ".kong_env.next";

/// Which configuration a worker process reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// [`Origin::running`] as it is: at the start, and after a crash.
    Running,
    /// kong.conf and the environment anew: `kong reload`, HUP, the watcher.
    Files,
}

/// What `load` returns.
pub struct Loaded<C> {
    /// The configuration, for the threads.
    pub configuration: Arc<C>,
    /// What it means for processes.
    pub needs: Needs,
}

/// What a worker is given.
pub struct WorkerSetup<C> {
    /// The configuration.
    pub configuration: Arc<C>,
    /// Which worker this is, from 0.
    pub id: usize,
    /// How many there are.
    pub workers: usize,
    /// Its share of the sockets of [`Needs::proxy`]; a listener may have several, or none here.
    ///
    /// *Invariant*: they listen only once [`Ready::announce`] has returned `true`. To register one with the runtime
    /// before that makes the thread spin: epoll reports a socket that does not listen as closed, for ever.
    pub sockets: Vec<Inherited>,
    /// What to do; begins with [`Order::Serve`].
    pub orders: watch::Receiver<Order>,
    /// To be announced before the first accept.
    pub ready: Ready,
    /// The shared dictionaries.
    pub dicts: Dicts,
}

/// What the control thread is given.
pub struct ControlSetup<C> {
    /// The configuration.
    pub configuration: Arc<C>,
    /// How many workers there are.
    pub workers: usize,
    /// The sockets of [`Needs::control`].
    pub sockets: Vec<Inherited>,
    /// What to do; begins with [`Order::Serve`].
    pub orders: watch::Receiver<Order>,
    /// To be announced before the first accept.
    pub ready: Ready,
    /// The shared dictionaries.
    pub dicts: Dicts,
    /// Receives one unit after each change of the declarative file, quick ones taken together.
    pub declarative_changes: mpsc::UnboundedReceiver<()>,
}

/// A listening socket that the master holds, too.
#[derive(Debug)]
pub struct Inherited {
    /// The listener it belongs to.
    pub address: Address,
    /// The socket, non-blocking.
    pub socket: Socket,
}

/// The two kinds of listening sockets.
#[derive(Debug)]
pub enum Socket {
    /// Over IP.
    Tcp(TcpListener),
    /// A socket file.
    Unix(UnixListener),
}

/// What the threads of a worker process are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Accept and serve.
    Serve,
    /// Take what already waits in the sockets, accept no more, finish, end.
    Drain,
    /// End at once.
    Stop,
}

/// How a thread says that it is ready, and learns that all are.
pub struct Ready {
    pub(super) announce: mpsc::UnboundedSender<()>,
    pub(super) go: watch::Receiver<bool>,
}

impl Ready {
    /// Says that this thread is ready, and waits until the process may accept connections.
    ///
    /// `false` means that it never will: another thread failed, and this one must end.
    pub async fn announce(mut self) -> bool {
        let _ = self.announce.send(());
        self.go.wait_for(|go| *go).await.is_ok()
    }
}
