//! Why a log could not be opened or written.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// A system's answer as nginx prints it: `13: Permission denied`.
pub fn system_error(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => format!("{code}: {}", Errno::from_raw(code).desc()),
        None => error.to_string(),
    }
}

/// An error of the logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be created or appended to; nginx's wording.
    #[error("open() \"{}\" failed ({})", path.display(), system_error(source))]
    Open {
        /// The file as it was resolved against the prefix.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A `syslog:` target with an unknown or unusable parameter.
    #[error("invalid syslog target \"{target}\": {reason}")]
    Syslog {
        /// The target as configured.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A level name that nginx does not know.
    #[error("unknown log level \"{0}\"")]
    Level(String),
    /// An access log names a format that nobody defined; nginx's wording.
    #[error("unknown log format \"{0}\"")]
    Format(String),
}
