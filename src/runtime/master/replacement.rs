//! Replacing the worker process: candidates, their promotion and their failure.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use super::super::gateway::CANDIDATE;
use super::super::message::{FromWorker, ToWorker};
use super::super::request::Reload;
use super::super::{Needs, Origin, RuntimeError, Source, daemon};
use super::life::Life;
use super::process::WorkerProcess;
use super::sockets::Sockets;
use super::{Candidate, LOADING, Master, Trigger};
use crate::observability::{Target, log};

/// How often, and with what pause, an address that is in use is tried again at the start.
const BIND_ATTEMPTS: (u32, Duration) = (5, Duration::from_millis(200));

impl Master {
    /// Starts a worker process; the one that serves, if any, goes on.
    pub(super) async fn start(&mut self, trigger: Trigger) {
        let source = match &trigger {
            Trigger::Start | Trigger::Crash => Source::Running,
            Trigger::Change | Trigger::Asked(..) => Source::Files,
        };
        let Reload { conf, environment, is_layered } = match &trigger {
            Trigger::Asked(reload, _) => self.inputs.overlaid(reload),
            _ => self.inputs.clone(),
        };
        let variables = is_layered.then(|| environment.iter().map(|(name, _)| name.clone()).collect());
        let origin = Origin { prefix: self.launch.prefix.clone(), conf, source, variables };
        match WorkerProcess::spawn(&self.executable, &environment, self.events.clone()) {
            Ok(process) => {
                process.tell(ToWorker::Load { origin, detached: self.launch.daemon }).await;
                self.candidate = Some(Candidate { process, trigger });
                self.alarm = Some(Instant::now() + LOADING);
            }
            Err(error) => self.not_started(trigger, error.to_string()).await,
        }
    }

    pub(super) async fn candidate_said(&mut self, message: FromWorker) {
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
    pub(super) async fn candidate_failed(&mut self, reason: String) {
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
    pub(super) fn replace_later(&mut self) {
        if self.life.is_ending() || self.candidate.is_some() {
            return;
        }
        let wait = self.backoff.failed(Instant::now());
        self.enter(if wait.is_zero() { Life::Recovering } else { Life::BackingOff(wait) });
        self.alarm = Some(Instant::now() + wait);
    }

    pub(super) async fn reload(&mut self, trigger: Trigger) {
        if self.life.is_ending() {
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

    pub(super) async fn next_reload(&mut self) {
        if self.candidate.is_some() || self.life.is_ending() {
            return;
        }
        if let Some(trigger) = self.waiting.pop_front() {
            self.enter(if self.serving.is_some() { Life::Reloading } else { Life::Recovering });
            // the recursion ends with the queue: each failed start takes one trigger out of it
            Box::pin(self.start(trigger)).await;
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
