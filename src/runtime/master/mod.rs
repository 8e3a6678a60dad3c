//! The master: a small, single-threaded parent of worker processes.
//!
//! It is a loop over [`Event`]s (signals, ended children, messages of worker processes, reload requests), which it
//! answers one after the other. At any time there is at most one worker process that serves, one candidate that is
//! loading, and any number that are draining. `replacement` is the way from a candidate to the one that serves,
//! `ending` what happens when processes end or have to.

mod backoff;
mod ending;
mod events;
mod life;
mod process;
mod replacement;
mod sender;
mod socket;
mod sockets;

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use self::backoff::Backoff;
use self::events::Event;
use self::life::Life;
use self::process::WorkerProcess;
use self::sockets::Sockets;
use super::message::{FromWorker, ToWorker};
use super::pid_file::PidFile;
use super::request::{self, Answer, Reload};
use super::worker::privileges;
use super::{Launch, RuntimeError, daemon};
use crate::observability::{Level, log, reopen};
use crate::shm::Dicts;

/// How long a candidate may take to become ready.
const LOADING: Duration = Duration::from_secs(120);
/// How long worker processes may take to end after TERM.
const ENDING: Duration = Duration::from_secs(5);
struct Master {
    launch: Launch,
    executable: PathBuf,
    life: Life,
    sockets: Sockets,
    dicts: Dicts,
    serving: Option<WorkerProcess>,
    candidate: Option<Candidate>,
    draining: Vec<WorkerProcess>,
    backoff: Backoff,
    /// Reloads that wait for the present candidate.
    waiting: VecDeque<Trigger>,
    /// What kong.conf is read, and the `KONG_*` variables of reloads that succeeded.
    inputs: Reload,
    /// When to act without an event: start a worker process, give a candidate up, kill what does not end.
    alarm: Option<Instant>,
    /// Who waits for the start.
    starter: Option<OwnedFd>,
    events: mpsc::UnboundedSender<Event>,
    exit: ExitCode,
}

/// A worker process on its way to serve.
struct Candidate {
    process: WorkerProcess,
    trigger: Trigger,
}

/// Why a worker process is started.
enum Trigger {
    /// The gateway starts.
    Start,
    /// The one that served is gone.
    Crash,
    /// HUP, or something that is watched changed.
    Change,
    /// `kong reload`, which waits for the answer.
    Asked(Reload, oneshot::Sender<Answer>),
}

/// Runs the master until the gateway has ended.
pub(super) fn run(launch: Launch, starter: Option<OwnedFd>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    let outcome = runtime
        .map_err(RuntimeError::process("starting the master's runtime"))
        .and_then(|runtime| local.block_on(&runtime, Master::live(launch, starter)));
    outcome.unwrap_or_else(|error| {
        eprintln!("Error: {error}");
        ExitCode::FAILURE
    })
}

impl Master {
    async fn live(launch: Launch, starter: Option<OwnedFd>) -> Result<ExitCode, RuntimeError> {
        let (events, mut queue) = mpsc::unbounded_channel();
        events::watch_signals(&events).map_err(RuntimeError::process("watching signals"))?;
        let pid_file = PidFile::of(&launch.prefix);
        pid_file.write()?;
        if let Err(error) = events::watch_requests(&launch.prefix, &events) {
            log::warn!("kong reload will have no answer: {error}");
        }
        let prefix = launch.prefix.clone();
        let mut master = Master {
            executable: std::env::current_exe().map_err(RuntimeError::process("finding the executable"))?,
            inputs: Reload::new(launch.conf.clone(), Vec::new()),
            launch,
            life: Life::Starting,
            sockets: Sockets::default(),
            dicts: Dicts::default(),
            serving: None,
            candidate: None,
            draining: Vec::new(),
            backoff: Backoff::default(),
            waiting: VecDeque::new(),
            alarm: None,
            starter,
            events,
            exit: ExitCode::SUCCESS,
        };
        // until the log is known everything goes to the terminal, which wants to see problems only
        log::set_level(Level::Warn);
        master.start(Trigger::Start).await;
        while master.life != Life::Stopped {
            let alarm = master.alarm;
            tokio::select! {
                Some(event) = queue.recv() => master.act(event).await,
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => master.wake().await,
            }
        }
        request::remove(&prefix);
        pid_file.remove();
        Ok(master.exit)
    }

    async fn act(&mut self, event: Event) {
        match event {
            Event::Signalled(signal) => self.signalled(signal).await,
            Event::Ended(children) => {
                for status in children {
                    self.ended(status).await;
                }
            }
            Event::Said(pid, FromWorker::Reload { because }) => {
                if self.serving.as_ref().is_some_and(|process| process.pid == pid) {
                    log::notice!("{because}, reloading");
                    self.reload(Trigger::Change).await;
                }
            }
            Event::Said(pid, FromWorker::Closed) => {
                self.draining.iter_mut().filter(|process| process.pid == pid).for_each(WorkerProcess::closed);
            }
            Event::Said(pid, message) => {
                if self.candidate.as_ref().is_some_and(|candidate| candidate.process.pid == pid) {
                    self.candidate_said(message).await;
                }
            }
            Event::Asked(reload, answer) => self.reload(Trigger::Asked(reload, answer)).await,
        }
    }

    async fn signalled(&mut self, signal: Signal) {
        let received = sender::describe(signal);
        match signal {
            Signal::SIGTERM | Signal::SIGINT => {
                log::notice!("{received}, exiting");
                self.stop().await;
            }
            Signal::SIGQUIT => {
                log::notice!("{received}, shutting down");
                self.quit().await;
            }
            Signal::SIGHUP => {
                log::notice!("{received}, reconfiguring");
                self.reload(Trigger::Change).await;
            }
            Signal::SIGUSR1 => {
                log::notice!("{received}, reopening logs");
                self.reopen_logs().await;
            }
            // a terminal sends it to its foreground processes whenever its window changes
            Signal::SIGWINCH if self.launch.daemon => {
                log::notice!("{received}, draining the worker process");
                self.drain().await;
            }
            _ => log::notice!("{received}, ignored: a reload picks a new executable up"),
        }
    }

    /// Acts on the alarm.
    async fn wake(&mut self) {
        self.alarm = None;
        if self.life.is_ending() {
            self.everyone().for_each(WorkerProcess::kill);
        } else if let Some(candidate) = &self.candidate {
            candidate.process.kill();
            self.candidate_failed(format!("it was not ready after {} seconds", LOADING.as_secs())).await;
        } else if self.serving.is_none() {
            self.enter(Life::Recovering);
            self.start(Trigger::Crash).await;
        }
    }

    async fn reopen_logs(&mut self) {
        if let Some(needs) = self.serving.as_ref().and_then(|process| process.needs.as_ref()) {
            privileges::give_logs_away(&self.launch.prefix, needs);
            if self.launch.daemon {
                daemon::redirect_stderr(&self.launch.prefix, &needs.error_log);
            }
        }
        reopen().iter().for_each(|error| log::error!("{error}"));
        for process in self.everyone() {
            process.tell(ToWorker::ReopenLogs).await;
        }
    }

    fn everyone(&self) -> impl Iterator<Item = &WorkerProcess> {
        let candidate = self.candidate.iter().map(|candidate| &candidate.process);
        self.serving.iter().chain(candidate).chain(&self.draining)
    }

    fn enter(&mut self, life: Life) {
        if self.life != life {
            self.life = life;
            log::notice!("{life}");
        }
    }

    fn tell_starter(&mut self, answer: Answer) {
        let Some(starter) = self.starter.take() else {
            if let (Err(reason), Life::Starting) = (&answer, self.life) {
                eprintln!("Error: {reason}\n\n  Run with --v (verbose) or --vv (debug) for more details");
            }
            return;
        };
        if let Ok(line) = serde_json::to_vec(&answer) {
            let _ = fs::File::from(starter).write_all(&line);
        }
    }
}
