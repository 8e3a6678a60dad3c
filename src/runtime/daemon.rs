//! Leaving the terminal, and where standard streams lead then.
#![allow(unsafe_code)] // fork

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

/// Makes this process a daemon: in a session of its own, adopted by init, unable to gain a terminal.
///
/// Standard input and output become /dev/null, as nginx does it; standard error stays until [`redirect_stderr`],
/// so that what goes wrong before the logs are open is still seen. The caller's process ends with 0.
///
/// # Errors
/// The system cannot fork.
pub(super) fn detach() -> io::Result<()> {
    let _ = setsid();
    // SAFETY: called first thing in a fresh process, which has one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        std::process::exit(0);
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(())
}

/// Lets standard error lead to the error log: what C libraries and plugins print is found there.
///
/// `error_log` is the property: only a file is followed.
pub(super) fn redirect_stderr(prefix: &Path, error_log: &str) {
    let special = ["", "off", "stderr"].contains(&error_log) || error_log.starts_with("syslog:");
    let path = prefix.join(error_log);
    if special || path.starts_with("/dev") || path.starts_with("/proc") {
        return;
    }
    if let Ok(file) = OpenOptions::new().append(true).create(true).open(path) {
        let _ = dup2_stderr(file);
    }
}
