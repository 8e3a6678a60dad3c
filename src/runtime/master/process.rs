//! A worker process as the master sees it.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::rc::Rc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot};

use super::super::channel::{Channel, DESCRIPTORS};
use super::super::message::{FromWorker, ToWorker, Use};
use super::super::request::Answer;
use super::super::{Address, Needs, RuntimeError, role};
use super::Event;
use crate::observability::log;
use crate::shm::Dicts;

/// A running worker process.
pub(super) struct WorkerProcess {
    pub(super) pid: Pid,
    channel: Rc<Channel>,
    /// What it asked for, once it has.
    pub(super) needs: Option<Box<Needs>>,
    /// The dictionaries it was granted.
    pub(super) dicts: Dicts,
    /// Who waits until it accepts nothing any more.
    pub(super) on_closed: Option<oneshot::Sender<Answer>>,
}

impl WorkerProcess {
    /// Executes one; what it says arrives as events.
    pub(super) fn spawn(
        executable: &PathBuf,
        environment: &[(String, String)],
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<WorkerProcess, RuntimeError> {
        let (ours, theirs) = Channel::pair().map_err(RuntimeError::process("opening a channel"))?;
        let mut command = role::worker_process(executable, &theirs)?;
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().map_err(RuntimeError::process("starting a worker process"))?;
        let channel = Rc::new(Channel::new(ours).map_err(RuntimeError::process("opening a channel"))?);
        let pid = Pid::from_raw(child.id().cast_signed());
        log::notice!("start worker process {pid}");
        tokio::task::spawn_local(listen(pid, Rc::clone(&channel), events));
        Ok(WorkerProcess { pid, channel, needs: None, dicts: Dicts::default(), on_closed: None })
    }

    /// Sends a message. One that cannot be sent needs no answer: the process is gone, and its end is an event.
    pub(super) async fn tell(&self, message: ToWorker) {
        if let Err(error) = self.channel.send(&message, &[]).await {
            log::info!("worker process {} cannot be told anything: {error}", self.pid);
        }
    }

    /// Hands over sockets and dictionaries, in as many messages as it takes.
    pub(super) async fn grant(&self, sockets: Vec<(Address, Use, BorrowedFd<'_>)>, dicts: &Dicts) {
        for chunk in sockets.chunks(DESCRIPTORS) {
            let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(|(_, _, fd)| *fd).collect();
            let names = chunk.iter().map(|(address, purpose, _)| (address.clone(), *purpose)).collect();
            self.hand_over(ToWorker::Grant { sockets: names, dicts: Vec::new(), last: false }, &fds).await;
        }
        let dicts: Vec<_> = dicts.iter().collect();
        for chunk in dicts.chunks(DESCRIPTORS) {
            let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(|dict| dict.fd()).collect();
            let names = chunk.iter().map(|dict| dict.name().to_owned()).collect();
            self.hand_over(ToWorker::Grant { sockets: Vec::new(), dicts: names, last: false }, &fds).await;
        }
        self.tell(ToWorker::Grant { sockets: Vec::new(), dicts: Vec::new(), last: true }).await;
    }

    async fn hand_over(&self, message: ToWorker, fds: &[BorrowedFd<'_>]) {
        if let Err(error) = self.channel.send(&message, fds).await {
            log::info!("worker process {} cannot be granted anything: {error}", self.pid);
        }
    }

    /// It accepts nothing any more: from now on only the new configuration answers.
    pub(super) fn closed(&mut self) {
        if let Some(answer) = self.on_closed.take() {
            let _ = answer.send(Ok(()));
        }
    }

    pub(super) fn kill(&self) {
        let _ = kill(self.pid, Signal::SIGKILL);
    }
}

async fn listen(pid: Pid, channel: Rc<Channel>, events: mpsc::UnboundedSender<Event>) {
    loop {
        match channel.receive::<FromWorker>().await {
            Ok(Some((message, _))) => {
                let _ = events.send(Event::Said(pid, message));
            }
            Ok(None) => return,
            Err(error) => {
                // a reset is the end of a process that died with messages unread
                return log::info!("worker process {pid} cannot be understood: {error}");
            }
        }
    }
}
