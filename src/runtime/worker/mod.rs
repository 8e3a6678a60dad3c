//! The worker process: from its execution to its running threads.
//!
//! The main thread loads the configuration, gets sockets and dictionaries from the master, gives privileges up and
//! starts the other threads (`threads`). Then it watches over them, talks to the master, and looks for changed files
//! (`supervisor`, `watcher`); it serves nothing itself.

pub(super) mod privileges;
pub(super) mod watcher;

mod supervisor;
mod threads;

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use self::supervisor::Supervisor;
use super::channel::Channel;
use super::gateway::{Inherited, Loaded, Socket};
use super::message::{FromWorker, ToWorker, Use};
use super::{Address, Gateway, Needs, Origin, RuntimeError, daemon};
use crate::observability::{Level, Target, log};
use crate::shm::Dicts;

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
    let since = SystemTime::now();
    let channel = Channel::new(channel).map_err(RuntimeError::process("opening the channel"))?;
    match prepare(&*gateway, &channel).await {
        Ok(Some((loaded, grants))) => {
            Supervisor::start(gateway, channel, loaded, grants, since)?.supervise().await
        }
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
    privileges::allow_return();
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
