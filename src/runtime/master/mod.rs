//! The master: a small, single-threaded parent of worker processes.
//!
//! It is a loop over [`Event`]s (signals, ended children, messages of worker processes, reload requests), which it
//! answers one after the other. At any time there is at most one worker process that serves, one candidate that is
//! loading, and any number that are draining.

mod backoff;
mod events;
mod life;
mod process;
mod sockets;

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use self::backoff::Backoff;
use self::events::Event;
use self::life::Life;
use self::process::WorkerProcess;
use self::sockets::Sockets;
use super::gateway::CANDIDATE;
use super::message::{FromWorker, ToWorker};
use super::pid_file::PidFile;
use super::request::{self, Answer, Reload};
use super::worker::privileges;
use super::{Launch, Needs, Origin, RuntimeError, Source, daemon};
use crate::observability::{Level, Target, log, reopen};
use crate::shm::Dicts;

/// How long a candidate may take to become ready.
const LOADING: Duration = Duration::from_secs(120);
/// How long worker processes may take to end after TERM.
const ENDING: Duration = Duration::from_secs(5);
/// How often, and with what pause, an address that is in use is tried again at the start.
const BIND_ATTEMPTS: (u32, Duration) = (5, Duration::from_millis(200));

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
            inputs: Reload { conf: launch.conf.clone(), environment: Vec::new() },
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
        let number = signal as i32;
        match signal {
            Signal::SIGTERM | Signal::SIGINT => {
                log::notice!("signal {number} ({signal}) received, exiting");
                self.stop().await;
            }
            Signal::SIGQUIT => {
                log::notice!("signal {number} ({signal}) received, shutting down");
                self.quit().await;
            }
            Signal::SIGHUP => {
                log::notice!("signal {number} ({signal}) received, reconfiguring");
                self.reload(Trigger::Change).await;
            }
            Signal::SIGUSR1 => {
                log::notice!("signal {number} ({signal}) received, reopening logs");
                self.reopen_logs().await;
            }
            Signal::SIGWINCH => {
                log::notice!("signal {number} ({signal}) received, draining the worker process");
                self.drain().await;
            }
            _ => log::notice!(
                "signal {number} ({signal}) received, ignored: a reload picks a new executable up"
            ),
        }
    }

    /// Starts a worker process; the one that serves, if any, goes on.
    async fn start(&mut self, trigger: Trigger) {
        let source = match &trigger {
            Trigger::Start | Trigger::Crash => Source::Running,
            Trigger::Change | Trigger::Asked(..) => Source::Files,
        };
        let Reload { conf, environment } = match &trigger {
            Trigger::Asked(reload, _) => self.inputs.overlaid(reload),
            _ => self.inputs.clone(),
        };
        let origin = Origin { prefix: self.launch.prefix.clone(), conf, source };
        match WorkerProcess::spawn(&self.executable, &environment, self.events.clone()) {
            Ok(process) => {
                process.tell(ToWorker::Load { origin, detached: self.launch.daemon }).await;
                self.candidate = Some(Candidate { process, trigger });
                self.alarm = Some(Instant::now() + LOADING);
            }
            Err(error) => self.not_started(trigger, error.to_string()).await,
        }
    }

    async fn candidate_said(&mut self, message: FromWorker) {
        match message {
            FromWorker::Needs(needs) => match self.meet(*needs).await {
                Ok(()) => {}
                Err(error) => self.candidate_failed(error.to_string()).await,
            },
            FromWorker::Ready => match self.open_sockets() {
                Ok(()) => self.promote().await,
                Err(error) => self.candidate_failed(error.to_string()).await,
            },
            FromWorker::Failed(reason) => self.candidate_failed(reason).await,
            FromWorker::Reload { .. } | FromWorker::Closed => {}
        }
    }

    /// Grants the candidate what it asks for.
    async fn meet(&mut self, needs: Needs) -> Result<(), RuntimeError> {
        let Some(candidate) = &mut self.candidate else { return Ok(()) };
        if matches!(candidate.trigger, Trigger::Start) {
            follow_logs(&self.launch.prefix, &needs);
            log::notice!("{}", self.life);
            wait_for_addresses(&mut self.sockets, &needs).await;
        }
        let sizes: Vec<(&str, usize)> =
            needs.dicts.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        candidate.process.dicts = self.dicts.resized(&sizes)?;
        let sockets = self.sockets.bind(&needs)?;
        candidate.process.grant(sockets, &candidate.process.dicts).await;
        candidate.process.needs = Some(Box::new(needs));
        Ok(())
    }

    fn open_sockets(&mut self) -> Result<(), RuntimeError> {
        let needs = self.candidate.as_ref().and_then(|candidate| candidate.process.needs.as_ref());
        needs.map_or(Ok(()), |needs| self.sockets.listen(needs))
    }

    /// Lets the candidate serve, and the one before it drain.
    async fn promote(&mut self) {
        let Some(Candidate { process, trigger }) = self.candidate.take() else { return };
        self.alarm = None;
        process.tell(ToWorker::Go).await;
        self.dicts = process.dicts.clone();
        if let Some(needs) = &process.needs {
            follow_logs(&self.launch.prefix, needs);
            if self.launch.daemon {
                daemon::redirect_stderr(&self.launch.prefix, &needs.error_log);
            }
            self.sockets.close_others(needs);
        }
        let prefix = &self.launch.prefix;
        let _ = fs::rename(prefix.join(CANDIDATE), prefix.join(".kong_env"));
        self.backoff.served(Instant::now());
        self.enter(Life::Serving);
        let mut answer = None;
        match trigger {
            Trigger::Start => self.tell_starter(Ok(())),
            Trigger::Crash | Trigger::Change => {}
            Trigger::Asked(reload, sender) => {
                self.inputs = self.inputs.overlaid(&reload);
                answer = Some(sender);
            }
        }
        if let Some(mut old) = self.serving.replace(process) {
            old.tell(ToWorker::Drain).await;
            old.on_closed = answer;
            self.draining.push(old);
        } else if let Some(answer) = answer {
            let _ = answer.send(Ok(()));
        }
        self.next_reload().await;
    }

    /// Drops the candidate as if it had never been.
    async fn candidate_failed(&mut self, reason: String) {
        let Some(Candidate { process, trigger }) = self.candidate.take() else { return };
        self.alarm = None;
        process.tell(ToWorker::Stop).await;
        if matches!(trigger, Trigger::Start) && process.needs.is_some() {
            // the terminal hears it from `kong start`; earlier there is no log but the terminal
            log::emerg!("{reason}");
        }
        self.sockets.forget_bound();
        let _ = fs::remove_file(self.launch.prefix.join(CANDIDATE));
        self.draining.push(process);
        self.not_started(trigger, reason).await;
    }

    async fn not_started(&mut self, trigger: Trigger, reason: String) {
        match trigger {
            Trigger::Start => {
                self.tell_starter(Err(reason));
                self.exit = ExitCode::FAILURE;
                return self.stop().await;
            }
            Trigger::Crash => log::emerg!("the worker process cannot be replaced: {reason}"),
            Trigger::Change => log::error!("reload failed, the running configuration stays: {reason}"),
            Trigger::Asked(_, answer) => {
                log::error!("reload failed, the running configuration stays: {reason}");
                let _ = answer.send(Err(reason));
            }
        }
        match self.serving {
            Some(_) => self.enter(Life::Serving),
            None if self.life == Life::Drained => {}
            None => self.replace_later(),
        }
        self.next_reload().await;
    }

    /// Sees to it that a worker process starts, at once or after a while.
    fn replace_later(&mut self) {
        if self.life.is_ending() || self.candidate.is_some() {
            return;
        }
        let wait = self.backoff.failed(Instant::now());
        self.enter(if wait.is_zero() { Life::Recovering } else { Life::BackingOff(wait) });
        self.alarm = Some(Instant::now() + wait);
    }

    /// Acts on the alarm.
    async fn wake(&mut self) {
        self.alarm = None;
        if self.life.is_ending() {
            let left =
                self.serving.iter().chain(&self.draining).chain(self.candidate.iter().map(|c| &c.process));
            left.for_each(WorkerProcess::kill);
        } else if let Some(candidate) = &self.candidate {
            candidate.process.kill();
            self.candidate_failed(format!("it was not ready after {} seconds", LOADING.as_secs())).await;
        } else if self.serving.is_none() {
            self.enter(Life::Recovering);
            self.start(Trigger::Crash).await;
        }
    }

    async fn reload(&mut self, trigger: Trigger) {
        if self.life.is_ending() || self.life == Life::Starting {
            return;
        }
        // a change asks for nothing that a change which waits already does not ask for
        let repeated = matches!(trigger, Trigger::Change)
            && self.waiting.iter().any(|waiting| matches!(waiting, Trigger::Change));
        if !repeated {
            self.waiting.push_back(trigger);
        }
        self.next_reload().await;
    }

    async fn next_reload(&mut self) {
        if self.candidate.is_some() || self.life.is_ending() {
            return;
        }
        if let Some(trigger) = self.waiting.pop_front() {
            self.enter(if self.serving.is_some() { Life::Reloading } else { Life::Recovering });
            // the recursion ends with the queue: each failed start takes one trigger out of it
            Box::pin(self.start(trigger)).await;
        }
    }

    async fn ended(&mut self, status: WaitStatus) {
        let (Some(pid), true) = (status.pid(), !matches!(status, WaitStatus::Stopped(..))) else { return };
        if let Some(at) = self.draining.iter().position(|process| process.pid == pid) {
            log::notice!("worker process {pid} {}", ending(status));
            self.draining.swap_remove(at).closed();
        } else if self.candidate.as_ref().is_some_and(|candidate| candidate.process.pid == pid) {
            self.candidate_failed(format!("the worker process {} before it was ready", ending(status))).await;
            self.draining.retain(|process| process.pid != pid);
        } else if self.serving.as_ref().is_some_and(|process| process.pid == pid) {
            self.serving = None;
            if !self.life.is_ending() {
                log::alert!("worker process {pid} {}", ending(status));
                self.replace_later();
            }
        }
        self.check_stopped();
    }

    async fn stop(&mut self) {
        if self.life == Life::Stopped {
            return;
        }
        self.enter(Life::Stopping);
        self.alarm = Some(Instant::now() + ENDING);
        self.refuse_waiting();
        for process in self.everyone() {
            process.tell(ToWorker::Stop).await;
        }
        self.check_stopped();
    }

    async fn quit(&mut self) {
        if self.life.is_ending() {
            return;
        }
        self.enter(Life::Quitting);
        self.alarm = None;
        self.refuse_waiting();
        if let Some(candidate) = self.candidate.take() {
            candidate.process.tell(ToWorker::Stop).await;
            self.draining.push(candidate.process);
        }
        self.sockets.close_others(&Needs::default());
        self.drain_serving().await;
        self.check_stopped();
    }

    async fn drain(&mut self) {
        if self.life.is_ending() || self.serving.is_none() {
            return;
        }
        self.drain_serving().await;
        if self.candidate.is_none() {
            self.enter(Life::Drained);
        }
    }

    async fn drain_serving(&mut self) {
        if let Some(process) = self.serving.take() {
            process.tell(ToWorker::Drain).await;
            self.draining.push(process);
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

    fn refuse_waiting(&mut self) {
        // dropped answers tell who asked that the gateway is ending
        self.waiting.clear();
        self.tell_starter(Err("the gateway was stopped before it was ready".to_owned()));
    }

    fn check_stopped(&mut self) {
        if self.life.is_ending() && self.everyone().next().is_none() {
            self.enter(Life::Stopped);
        }
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

/// Writes the log that the configuration names.
fn follow_logs(prefix: &Path, needs: &Needs) {
    match Target::open(&needs.error_log, prefix) {
        Ok(target) => log::install(target),
        Err(error) => log::error!("{error}"),
    }
    if let Ok(level) = needs.log_level.parse() {
        log::set_level(level);
    }
}

/// At the start, the sockets of a gateway that was just stopped or killed may still be open for a moment.
async fn wait_for_addresses(sockets: &mut Sockets, needs: &Needs) {
    let (attempts, pause) = BIND_ATTEMPTS;
    for _ in 1..attempts {
        match sockets.bind(needs) {
            Err(RuntimeError::Listen { code: libc::EADDRINUSE, .. }) => tokio::time::sleep(pause).await,
            _ => return,
        }
    }
}

/// How a process ended, in nginx's words.
fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exited with code {code}"),
        WaitStatus::Signaled(_, signal, dumped) => {
            format!("exited on signal {}{}", signal as i32, if dumped { " (core dumped)" } else { "" })
        }
        other => format!("changed its state: {other:?}"),
    }
}
