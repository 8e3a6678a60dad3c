//! Which of the processes this one is, and how the others are executed.
#![allow(unsafe_code)] // environment variables and inherited descriptors

use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

use super::{Gateway, RuntimeError, daemon, master, request, worker};

/// The variable that makes an execution of `kong` a master or a worker process.
const VARIABLE: &str = "KONG_PROCESS";

/// How a master is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The prefix, absolute.
    pub prefix: PathBuf,
    /// The kong.conf in use, absolute.
    pub conf: Option<PathBuf>,
    /// In the background (`nginx_daemon = on`) or in place of the command.
    pub daemon: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Role {
    Master { launch: Launch, starter: Option<RawFd> },
    WorkerProcess { channel: RawFd },
}

/// Becomes what the environment says this process is.
///
/// Returns `None` in an ordinary `kong` command; otherwise the process is over when it returns. To be called before
/// anything else in `main`.
pub fn enter<G: Gateway>(gateway: G) -> Option<ExitCode> {
    let role = std::env::var(VARIABLE).ok()?;
    // SAFETY: nothing ran before, so no other thread reads the environment. The variable must go: a `kong`
    // command that a plugin runs is an ordinary one.
    unsafe { std::env::remove_var(VARIABLE) };
    let role: Role = serde_json::from_str(&role).ok()?;
    Some(match role {
        Role::Master { launch, starter } => {
            if launch.daemon && daemon::detach().is_err() {
                return Some(ExitCode::FAILURE);
            }
            master::run(launch, starter.map(inherited))
        }
        Role::WorkerProcess { channel } => worker::run(gateway, inherited(channel)),
    })
}

/// Starts the gateway whose prefix is prepared.
///
/// In the background it returns once the gateway answers. In the foreground this process becomes the master, with
/// its pid, and the function only returns an error.
///
/// # Errors
/// Why the gateway does not run.
pub fn launch(launch: &Launch) -> Result<(), RuntimeError> {
    let executable = std::env::current_exe().map_err(RuntimeError::process("finding the executable"))?;
    let mut command = Command::new(executable);
    command.arg0("kong: master process");
    if !launch.daemon {
        command.env(VARIABLE, encode(&Role::Master { launch: launch.clone(), starter: None })?);
        return Err(RuntimeError::process("becoming the master process")(command.exec()));
    }
    let (mut result, starter) = io::pipe().map_err(RuntimeError::process("opening a pipe"))?;
    let starter = OwnedFd::from(starter);
    command
        .env(VARIABLE, encode(&Role::Master { launch: launch.clone(), starter: Some(starter.as_raw_fd()) })?);
    close_others(&mut command);
    keep_open(&mut command, starter.as_raw_fd());
    let mut first = command.spawn().map_err(RuntimeError::process("starting the master process"))?;
    drop(starter);
    let _ = first.wait();
    let mut answer = String::new();
    result.read_to_string(&mut answer).map_err(RuntimeError::process("waiting for the master process"))?;
    let answer: request::Answer = serde_json::from_str(&answer)
        .unwrap_or_else(|_| Err("the master process ended before the gateway was ready".to_owned()));
    answer.map_err(RuntimeError::Refused)
}

/// The command that executes a worker process, with its end of the channel.
pub(super) fn worker_process(executable: &PathBuf, channel: &OwnedFd) -> Result<Command, RuntimeError> {
    let mut command = Command::new(executable);
    command.arg0("kong: worker process");
    command.env(VARIABLE, encode(&Role::WorkerProcess { channel: channel.as_raw_fd() })?);
    keep_open(&mut command, channel.as_raw_fd());
    Ok(command)
}

fn encode(role: &Role) -> Result<String, RuntimeError> {
    serde_json::to_string(role)
        .map_err(io::Error::from)
        .map_err(RuntimeError::process("describing a process"))
}

/// Lets the executed process inherit a descriptor that is closed on exec otherwise.
fn keep_open(command: &mut Command, fd: RawFd) {
    // SAFETY: between fork and exec only fcntl is called, which is async-signal-safe; the descriptor is open.
    unsafe {
        command.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Lets the executed process inherit nothing but the standard streams: a daemon that keeps a pipe of its starter's
/// starter open would let that one wait for ever.
fn close_others(command: &mut Command) {
    // SAFETY: between fork and exec only close_range is called, which is async-signal-safe; it marks, and closes
    // nothing that this process still needs.
    unsafe {
        command.pre_exec(|| {
            libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed());
            Ok(())
        });
    }
}

fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: the parent left this descriptor open for us and told its number; nobody else uses it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let _ = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC));
    fd
}
