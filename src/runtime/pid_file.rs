//! The master's pid file, and signals sent through it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::RuntimeError;

/// The pid file of a prefix.
#[derive(Debug, Clone)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// `pids/nginx.pid` under `prefix`.
    pub fn of(prefix: &Path) -> PidFile {
        PidFile { path: prefix.join("pids/nginx.pid") }
    }

    /// The process in it, whether it lives or not.
    pub fn read(&self) -> Option<Pid> {
        let pid = fs::read_to_string(&self.path).ok()?.trim().parse::<i32>().ok()?;
        (pid > 0).then(|| Pid::from_raw(pid))
    }

    /// Whether its process lives.
    ///
    /// *Kong parity*: as `kill -0`, so a process of another user counts as not running.
    pub fn is_running(&self) -> bool {
        self.read().is_some_and(|pid| kill(pid, None).is_ok())
    }

    /// Sends a signal to its process.
    ///
    /// # Errors
    /// There is no pid in it, or the process cannot be signalled.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.read().ok_or(Errno::ESRCH)?;
        Ok(kill(pid, signal)?)
    }

    /// Writes the pid of this process.
    ///
    /// The file appears whole: who reads it never sees an empty one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<(), RuntimeError> {
        let failed = |source| RuntimeError::File { what: "could not write", path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let fresh = self.path.with_extension("pid.next");
        fs::write(&fresh, format!("{}\n", std::process::id())).map_err(failed)?;
        fs::rename(&fresh, &self.path).map_err(failed)
    }

    /// Removes it, if it is this process's.
    pub(super) fn remove(&self) {
        if self.read() == Some(Pid::this()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_process_counts_as_running() {
        let prefix = tempfile::tempdir().unwrap();
        let file = PidFile::of(prefix.path());
        assert!(!file.is_running());
        file.write().unwrap();
        assert!(file.is_running());
        assert_eq!(file.read(), Some(Pid::this()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        fs::write(prefix.path().join("pids/nginx.pid"), child.id().to_string()).unwrap();
        assert!(!file.is_running());
        file.remove();
        assert!(prefix.path().join("pids/nginx.pid").exists(), "another process's file was removed");
    }

    #[test]
    fn nonsense_in_the_file_signals_nobody() {
        let prefix = tempfile::tempdir().unwrap();
        fs::create_dir(prefix.path().join("pids")).unwrap();
        for nonsense in ["", "0", "-1", "all"] {
            fs::write(prefix.path().join("pids/nginx.pid"), nonsense).unwrap();
            assert!(PidFile::of(prefix.path()).signal(Signal::SIGTERM).is_err(), "{nonsense}");
        }
    }
}
