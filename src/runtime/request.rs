//! How `kong reload` asks the master and hears the result: one line of JSON each way over `pids/master.sock`.
//!
//! A plain HUP does the same; its result is in the log only.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A request to reload.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reload {
    /// The kong.conf to be read by later reloads, if another one was named.
    pub conf: Option<PathBuf>,
    /// The `KONG_*` variables of the command, which later reloads see, too.
    pub environment: Vec<(String, String)>,
    /// Whether a file took the place of the one the node was started with: it lies over what serves.
    #[serde(default)]
    pub(super) is_layered: bool,
}

impl Reload {
    /// A request to read `conf`, or the file in use, and these variables.
    pub fn new(conf: Option<PathBuf>, environment: Vec<(String, String)>) -> Reload {
        Reload { conf, environment, is_layered: false }
    }

    /// This with another one over it.
    ///
    /// *Kong parity*: another file than the one in use is laid over the configuration that serves, so that it need
    /// say only what changes; the variables of earlier commands are part of that, and weaker than the file.
    pub(super) fn overlaid(&self, over: &Reload) -> Reload {
        if over.conf.is_some() && over.conf != self.conf {
            return Reload { is_layered: true, ..over.clone() };
        }
        let replaced = |name: &String| over.environment.iter().any(|(other, _)| other == name);
        let kept = self.environment.iter().filter(|(name, _)| !replaced(name));
        Reload {
            conf: over.conf.clone().or_else(|| self.conf.clone()),
            environment: kept.chain(&over.environment).cloned().collect(),
            is_layered: self.is_layered,
        }
    }
}

/// The result: the reason if the running configuration stays.
pub type Answer = Result<(), String>;

/// Asks the master of `prefix` to reload, and waits until it has or has not.
///
/// # Errors
/// The master cannot be asked (an older one, or none); the reload may still be asked for by HUP.
pub fn reload(prefix: &Path, request: &Reload) -> io::Result<Answer> {
    let mut stream = at_socket(prefix, |path| UnixStream::connect(path))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer)? == 0 {
        return Ok(Err("the master process ended during the reload".to_owned()));
    }
    Ok(serde_json::from_str(&answer)?)
}

/// Opens the master's side, for the owner of the master only.
pub(super) fn listen(prefix: &Path) -> io::Result<UnixListener> {
    let path = prefix.join(NAME);
    let _ = fs::remove_file(&path);
    let listener = at_socket(prefix, |path| UnixListener::bind(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket file.
pub(super) fn remove(prefix: &Path) {
    let _ = fs::remove_file(prefix.join(NAME));
}

const NAME: &str = "pids/master.sock";

/// Calls `operation` with a path to the socket that is short enough for a socket address (108 bytes), however
/// long the prefix is.
fn at_socket<T>(prefix: &Path, operation: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = fs::File::open(prefix)?;
    operation(&PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_asked_for_under_a_very_long_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("long".repeat(50));
        fs::create_dir_all(prefix.join("pids")).unwrap();
        let listener = listen(&prefix).unwrap();
        listener.set_nonblocking(false).unwrap();
        let master = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let request: Reload = serde_json::from_str(&line).unwrap();
            stream.write_all(b"{\"Err\":\"port taken\"}\n").unwrap();
            request
        });
        let request = Reload::new(Some("/etc/kong.conf".into()), Vec::new());
        assert_eq!(reload(&prefix, &request).unwrap(), Err("port taken".to_owned()));
        assert_eq!(master.join().unwrap().conf, Some("/etc/kong.conf".into()));
        remove(&prefix);
        assert!(reload(&prefix, &request).is_err());
    }
}
