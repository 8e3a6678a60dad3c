//! The worker process: its main thread talks to the master and watches over the control thread and the workers.

pub(super) mod privileges;
pub(super) mod watcher;

mod threads;

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::threads::{Ended, Threads};
use self::watcher::{Change, Watcher};
use super::channel::Channel;
use super::gateway::{Inherited, Loaded, Socket};
use super::message::{FromWorker, ToWorker, Use};
use super::{Address, Gateway, Needs, Order, Origin, RuntimeError, acceptor, daemon};
use crate::observability::{Level, Target, log, reopen};
use crate::shm::Dicts;

/// How long threads may take to end after the order to stop.
const STOPPING: Duration = Duration::from_secs(2);

/// How long the master waits at most to hear that nothing is accepted any more.
const CLOSING: Duration = Duration::from_secs(1);

/// What the master granted.
#[derive(Default)]
struct Grants {
    sockets: Vec<(Inherited, Use)>,
    dicts: Dicts,
}

/// Runs a worker process until it has drained, was stopped, or failed.
pub(super) fn run<G: Gateway>(gateway: G, channel: OwnedFd) -> ExitCode {
    log::set_level(Level::Warn);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(RuntimeError::process("starting the main thread's runtime"))
        .and_then(|runtime| runtime.block_on(live(Arc::new(gateway), channel)));
    match outcome {
        // threads that did not end in time end with the process
        Ok(code) => std::process::exit(code),
        Err(error) => {
            log::emerg!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn live<G: Gateway>(gateway: Arc<G>, channel: OwnedFd) -> Result<i32, RuntimeError> {
    let channel = Channel::new(channel).map_err(RuntimeError::process("opening the channel"))?;
    match prepare(&*gateway, &channel).await {
        Ok(Some((loaded, grants))) => Supervisor::start(gateway, channel, loaded, grants)?.supervise().await,
        Ok(None) => Ok(0),
        Err(error) => {
            let _ = channel.send(&FromWorker::Failed(error.to_string()), &[]).await;
            Ok(1)
        }
    }
}

/// Loads the configuration, gets what it needs, gives privileges up. `None` when the master has no use for this
/// process any more.
async fn prepare<G: Gateway>(
    gateway: &G,
    channel: &Channel,
) -> Result<Option<(Loaded<G::Configuration>, Grants)>, RuntimeError> {
    let Some((origin, detached)) = assignment(channel).await? else { return Ok(None) };
    let loaded = gateway.load(&origin).map_err(RuntimeError::Refused)?;
    let needs = &loaded.needs;
    let message = FromWorker::Needs(Box::new(needs.clone()));
    channel.send(&message, &[]).await.map_err(RuntimeError::process("asking the master"))?;
    let Some(grants) = receive_grants(channel).await? else { return Ok(None) };
    open_logs(&origin, needs, detached)?;
    privileges::raise_open_files(needs);
    privileges::give_logs_away(&origin.prefix, needs);
    privileges::give_up(needs)?;
    Ok(Some((loaded, grants)))
}

async fn assignment(channel: &Channel) -> Result<Option<(Origin, bool)>, RuntimeError> {
    let message = channel.receive().await.map_err(RuntimeError::process("listening to the master"))?;
    Ok(match message {
        Some((ToWorker::Load { origin, detached }, _)) => Some((origin, detached)),
        _ => None,
    })
}

async fn receive_grants(channel: &Channel) -> Result<Option<Grants>, RuntimeError> {
    let mut grants = Grants::default();
    let mut mapped = Vec::new();
    loop {
        let message = channel.receive().await.map_err(RuntimeError::process("listening to the master"))?;
        let Some((ToWorker::Grant { sockets, dicts, last }, fds)) = message else { return Ok(None) };
        let mut fds = fds.into_iter();
        for ((address, purpose), fd) in sockets.into_iter().zip(&mut fds) {
            let socket = match address {
                Address::Tcp(_) => Socket::Tcp(fd.into()),
                Address::Unix(_) => Socket::Unix(fd.into()),
            };
            grants.sockets.push((Inherited { address, socket }, purpose));
        }
        mapped.extend(dicts.into_iter().zip(fds));
        if last {
            grants.dicts = Dicts::attach(mapped)?;
            return Ok(Some(grants));
        }
    }
}

fn open_logs(origin: &Origin, needs: &Needs, detached: bool) -> Result<(), RuntimeError> {
    let target = Target::open(&needs.error_log, &origin.prefix);
    log::install(target.map_err(|error| RuntimeError::Refused(error.to_string()))?);
    if let Ok(level) = needs.log_level.parse() {
        log::set_level(level);
    }
    if detached {
        daemon::redirect_stderr(&origin.prefix, &needs.error_log);
    }
    log_panics();
    crate::shm::dict::on_salvage(|name, salvage| {
        log::error!(
            "a process died while it wrote to shared dictionary \"{name}\": rebuilt, {} entries kept, {} lost",
            salvage.kept,
            salvage.dropped
        );
    });
    Ok(())
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::crit!("thread \"{}\" panicked: {panic}", thread.name().unwrap_or_default());
    }));
}

/// The main thread's view of a process whose threads run.
struct Supervisor {
    channel: Channel,
    needs: Needs,
    threads: Threads,
    orders: watch::Sender<Order>,
    go: watch::Sender<bool>,
    declarative: mpsc::UnboundedSender<()>,
    watcher: Option<Watcher>,
    signals: [(SignalKind, Signal); 4],
    deadline: Option<Instant>,
    /// Whether the master is gone.
    orphaned: bool,
    /// When the master hears that nothing is accepted any more, however busy the threads are.
    closing_until: Option<Instant>,
    /// How many threads are still to say that they are ready; `None` once the master knows.
    unready: Option<usize>,
}

impl Supervisor {
    fn start<G: Gateway>(
        gateway: Arc<G>,
        channel: Channel,
        loaded: Loaded<G::Configuration>,
        grants: Grants,
    ) -> Result<Supervisor, RuntimeError> {
        let needs = loaded.needs.clone();
        let (orders, order) = watch::channel(Order::Serve);
        let (go, gone) = watch::channel(false);
        let (declarative, declarative_changes) = mpsc::unbounded_channel();
        let threads = Threads::start(gateway, loaded, grants, order, gone, declarative_changes)?;
        let kinds = [
            SignalKind::terminate(),
            SignalKind::quit(),
            SignalKind::user_defined1(),
            SignalKind::interrupt(),
        ];
        let streams = kinds.map(|kind| signal(kind).map(|stream| (kind, stream)));
        let [terminate, quit, reopen, interrupt] = streams;
        let caught = RuntimeError::process("watching signals");
        let signals =
            (|| -> io::Result<_> { Ok([terminate?, quit?, reopen?, interrupt?]) })().map_err(caught)?;
        ignore_signals();
        let watcher = needs.watch.clone().map(Watcher::start);
        let unready = Some(threads.running);
        Ok(Supervisor {
            channel,
            needs,
            threads,
            orders,
            go,
            declarative,
            watcher,
            signals,
            deadline: None,
            orphaned: false,
            closing_until: None,
            unready,
        })
    }

    /// Returns the exit code.
    async fn supervise(mut self) -> Result<i32, RuntimeError> {
        while self.threads.running > 0 {
            let deadline = self.deadline;
            let (watching, closing_until) = (self.watcher.is_some(), self.closing_until);
            tokio::select! {
                message = self.channel.receive(), if !self.orphaned => self.told(message),
                Some(()) = self.threads.ready.recv() => self.count_ready().await?,
                Some(ended) = self.threads.ended.recv() => {
                    if let Some(code) = self.thread_ended(ended).await {
                        return Ok(code);
                    }
                }
                kind = next_signal(&mut self.signals) => self.signalled(kind),
                change = next_change(&mut self.watcher), if watching => self.changed(change).await,
                () = all_closed_until(closing_until), if closing_until.is_some() => {
                    self.closing_until = None;
                    let _ = self.channel.send(&FromWorker::Closed, &[]).await;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    if *self.orders.borrow() == Order::Stop {
                        return Ok(0);
                    }
                    log::notice!("connections are still open after the shutdown timeout, closing them");
                    self.order(Order::Stop);
                }
            }
        }
        log::notice!("worker process exiting");
        Ok(0)
    }

    fn told(&mut self, message: io::Result<Option<(ToWorker, Vec<OwnedFd>)>>) {
        match message {
            Ok(Some((ToWorker::Go, _))) => {
                self.go.send_replace(true);
            }
            Ok(Some((ToWorker::ReopenLogs, _))) => reopen().iter().for_each(|error| log::error!("{error}")),
            Ok(Some((ToWorker::Drain, _))) => self.order(Order::Drain),
            Ok(Some((ToWorker::Stop, _))) => self.order(Order::Stop),
            Ok(Some((ToWorker::Load { .. } | ToWorker::Grant { .. }, _))) => {}
            Ok(None) | Err(_) => {
                if *self.orders.borrow() == Order::Serve {
                    log::alert!("the master process is gone, finishing and ending");
                }
                self.orphaned = true;
                self.order(Order::Drain);
            }
        }
    }

    async fn count_ready(&mut self) -> Result<(), RuntimeError> {
        let Some(unready) = self.unready.as_mut() else { return Ok(()) };
        *unready = unready.saturating_sub(1);
        if *unready == 0 {
            self.unready = None;
            let sent = self.channel.send(&FromWorker::Ready, &[]).await;
            sent.map_err(RuntimeError::process("telling the master"))?;
        }
        Ok(())
    }

    /// A thread that ends without an order takes the process with it; the code to exit with says so.
    async fn thread_ended(&mut self, Ended { name, outcome }: Ended) -> Option<i32> {
        self.threads.running -= 1;
        if *self.orders.borrow() != Order::Serve {
            if let Err(reason) = outcome {
                log::error!("{name}: {reason}");
            }
            return None;
        }
        let reason = outcome.err().unwrap_or_else(|| format!("{name} ended by itself"));
        if self.unready.is_some() {
            let _ = self.channel.send(&FromWorker::Failed(reason), &[]).await;
        } else {
            log::crit!("{name}: {reason}: the worker process ends");
        }
        Some(1)
    }

    fn order(&mut self, order: Order) {
        if *self.orders.borrow() >= order {
            return;
        }
        self.watcher = None;
        self.closing_until = Some(Instant::now() + CLOSING);
        self.deadline = match order {
            Order::Stop => Some(Instant::now() + STOPPING),
            _ => {
                log::notice!("gracefully shutting down");
                self.needs.drain_timeout.map(|timeout| Instant::now() + timeout)
            }
        };
        self.orders.send_replace(order);
        if !*self.go.borrow() {
            // threads that wait to go learn that they never will
            self.go = watch::channel(false).0;
        }
    }

    fn signalled(&mut self, kind: SignalKind) {
        if kind == SignalKind::terminate() {
            self.order(Order::Stop);
        } else if kind == SignalKind::quit() {
            self.order(Order::Drain);
        } else if kind == SignalKind::user_defined1() {
            reopen().iter().for_each(|error| log::error!("{error}"));
        }
        // SIGINT reaches the whole foreground group: the master decides
    }

    async fn changed(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Declarative) => drop(self.declarative.send(())),
            Some(Change::Reload(path)) => {
                let because = format!("{} changed", path.display());
                let _ = self.channel.send(&FromWorker::Reload { because }, &[]).await;
            }
            None => self.watcher = None,
        }
    }
}

/// HUP, USR2 and WINCH are the master's, whoever they were sent to.
fn ignore_signals() {
    for kind in [SignalKind::hangup(), SignalKind::user_defined2(), SignalKind::window_change()] {
        // the handler stays for the life of the process
        drop(signal(kind));
    }
}

async fn next_signal(signals: &mut [(SignalKind, Signal); 4]) -> SignalKind {
    std::future::poll_fn(|context| {
        let arrived = signals.iter_mut().find_map(|(kind, stream)| match stream.poll_recv(context) {
            std::task::Poll::Ready(Some(())) => Some(*kind),
            _ => None,
        });
        arrived.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
    })
    .await
}

async fn all_closed_until(limit: Option<Instant>) {
    if let Some(limit) = limit {
        let _ = timeout_at(limit, acceptor::all_closed()).await;
    }
}

async fn next_change(watcher: &mut Option<Watcher>) -> Option<Change> {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => None,
    }
}
