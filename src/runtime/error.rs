//! What can go wrong between processes.

use std::io;
use std::path::PathBuf;

use super::Address;

/// An error of the master or of the machinery around it.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A listening socket cannot be had; nginx's wording.
    #[error("{call} {address} failed ({code}: {reason})")]
    Listen {
        /// The system call, with nginx's parentheses.
        call: &'static str,
        /// The address of the listener.
        address: Address,
        /// The error number.
        code: i32,
        /// The system's words for it.
        reason: String,
    },
    /// Shared memory cannot be had.
    #[error(transparent)]
    Shm(#[from] crate::shm::ShmError),
    /// A file under the prefix cannot be read or written.
    #[error("{what} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A process cannot be started or talked to.
    #[error("{what}: {source}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The user or group to run as does not exist; nginx's wording.
    #[error("{call}(\"{name}\") failed")]
    NoSuchUser {
        /// The system call.
        call: &'static str,
        /// The name that was looked up.
        name: String,
    },
    /// The gateway could not start or reload; the reason is the gateway's.
    #[error("{0}")]
    Refused(String),
}

impl RuntimeError {
    pub(super) fn process(what: &'static str) -> impl FnOnce(io::Error) -> RuntimeError {
        move |source| RuntimeError::Process { what, source }
    }

    pub(super) fn listen(call: &'static str, address: &Address, error: &io::Error) -> RuntimeError {
        let code = error.raw_os_error().unwrap_or_default();
        let reason = nix::errno::Errno::from_raw(code).desc().to_owned();
        RuntimeError::Listen { call, address: address.clone(), code, reason }
    }
}
