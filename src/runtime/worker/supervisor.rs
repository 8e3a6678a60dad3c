//! The main thread while the others run: orders from the master, ends of threads, signals, changed files.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::super::channel::Channel;
use super::super::gateway::Loaded;
use super::super::message::{FromWorker, ToWorker};
use super::super::{Gateway, Needs, Order, RuntimeError, acceptor};
use super::Grants;
use super::threads::{Ended, Threads};
use super::watcher::{Change, Watcher};
use crate::observability::{log, reopen};

/// How long threads may take to end after the order to stop.
const STOPPING: Duration = Duration::from_secs(2);

/// How long the master waits at most to hear that nothing is accepted any more.
const CLOSING: Duration = Duration::from_secs(1);

/// The main thread's view of a process whose threads run.
pub(super) struct Supervisor {
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
    /// Starts the threads. Files that changed after `since`, when the process began, count as changed.
    pub(super) fn start<G: Gateway>(
        gateway: Arc<G>,
        channel: Channel,
        loaded: Loaded<G::Configuration>,
        grants: Grants,
        since: SystemTime,
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
        let watcher = needs.watch.clone().map(|watch| Watcher::start(watch, since));
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
    pub(super) async fn supervise(mut self) -> Result<i32, RuntimeError> {
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
