//! Worker processes that end, and the end of the gateway.

use nix::sys::wait::WaitStatus;
use tokio::time::Instant;

use super::super::Needs;
use super::super::message::ToWorker;
use super::life::Life;
use super::process::WorkerProcess;
use super::{ENDING, Master};
use crate::observability::log;

impl Master {
    pub(super) async fn ended(&mut self, status: WaitStatus) {
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

    pub(super) async fn stop(&mut self) {
        if self.life == Life::Stopped {
            return;
        }
        self.enter(Life::Stopping);
        self.alarm = Some(Instant::now() + ENDING);
        self.refuse_waiting();
        self.give_candidate_up();
        for process in self.everyone() {
            process.tell(ToWorker::Stop).await;
        }
        self.check_stopped();
    }

    pub(super) async fn quit(&mut self) {
        if self.life.is_ending() {
            return;
        }
        self.enter(Life::Quitting);
        self.alarm = None;
        self.refuse_waiting();
        if let Some(candidate) = self.give_candidate_up() {
            candidate.tell(ToWorker::Stop).await;
        }
        self.sockets.close_others(&Needs::default());
        self.drain_serving().await;
        self.check_stopped();
    }

    pub(super) async fn drain(&mut self) {
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

    /// Counts the candidate among the processes that only have to end.
    ///
    /// While it was the candidate, its end or its being ready would have been taken for those of a reload, and the
    /// gateway would have gone on serving.
    fn give_candidate_up(&mut self) -> Option<&WorkerProcess> {
        self.draining.push(self.candidate.take()?.process);
        self.draining.last()
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
