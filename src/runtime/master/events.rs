//! Where the master's events come from besides its worker processes: signals and `kong reload`.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::super::message::FromWorker;
use super::super::request::{self, Answer, Reload};
use super::sender;
use crate::observability::log;

/// Something the master acts on.
pub(super) enum Event {
    /// A signal came.
    Signalled(Signal),
    /// Children ended (all that did until now are reported together).
    Ended(Vec<WaitStatus>),
    /// A worker process said something.
    Said(Pid, FromWorker),
    /// `kong reload` asks.
    Asked(Reload, oneshot::Sender<Answer>),
}

/// Who asks has to say so within this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

const SIGNALS: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCHLD,
];

/// Turns signals into events from now on.
pub(super) fn watch_signals(events: &mpsc::UnboundedSender<Event>) -> io::Result<()> {
    for kind in SIGNALS {
        sender::remember(kind)?;
        let mut stream = signal(SignalKind::from_raw(kind as i32))?;
        let events = events.clone();
        tokio::task::spawn_local(async move {
            while stream.recv().await.is_some() {
                let event = match kind {
                    Signal::SIGCHLD => Event::Ended(reap()),
                    _ => Event::Signalled(kind),
                };
                let _ = events.send(event);
            }
        });
    }
    Ok(())
}

/// Collects every child that ended: also, as process 1 of a container, the orphans of others.
fn reap() -> Vec<WaitStatus> {
    let any = Pid::from_raw(-1);
    let wait = || nix::sys::wait::waitpid(any, Some(nix::sys::wait::WaitPidFlag::WNOHANG)).ok();
    std::iter::from_fn(wait).take_while(|status| *status != WaitStatus::StillAlive).collect()
}

/// Turns requests on the prefix's socket into events from now on.
pub(super) fn watch_requests(prefix: &Path, events: &mpsc::UnboundedSender<Event>) -> io::Result<()> {
    let listener = UnixListener::from_std(request::listen(prefix)?)?;
    let events = events.clone();
    tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::task::spawn_local(answer(stream, events.clone()))),
                Err(error) => {
                    log::error!("accepting a reload request failed: {error}");
                    tokio::time::sleep(REQUEST_TIMEOUT).await;
                }
            }
        }
    });
    Ok(())
}

async fn answer(stream: UnixStream, events: mpsc::UnboundedSender<Event>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    tokio::time::timeout(REQUEST_TIMEOUT, BufReader::new(reader).read_line(&mut line)).await??;
    let (sender, receiver) = oneshot::channel();
    let _ = events.send(Event::Asked(serde_json::from_str(&line)?, sender));
    let answer = receiver.await.unwrap_or_else(|_| Err("the gateway is ending".to_owned()));
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}
