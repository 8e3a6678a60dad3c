//! The node that a command is about, found by its prefix.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::{Invocation, narration};
use crate::conf::{Conf, Purpose, Sources};

/// The configuration that the command line asks for: `-c`, `-p`, the environment, the default files.
pub fn configured(invocation: &Invocation, purpose: Purpose) -> anyhow::Result<Conf> {
    Ok(Conf::load(&sources(invocation).purpose(purpose))?)
}

/// The same, telling `--v` and `--vv` where every value comes from.
pub fn announced(invocation: &Invocation, purpose: Purpose) -> anyhow::Result<Conf> {
    let sources = sources(invocation).purpose(purpose);
    narration::tell_sources(&invocation.console, &sources);
    let conf = Conf::load(&sources)?;
    narration::tell_values(&invocation.console, &conf);
    Ok(conf)
}

/// The same, or that of the node which runs in the prefix, if one was ever started there.
pub fn running_or_configured(invocation: &Invocation) -> anyhow::Result<Conf> {
    let mut conf = configured(invocation, Purpose::Inspect)?;
    if conf.kong_env().exists() {
        narration::tell_env_file(&invocation.console, &conf.kong_env());
        conf = Conf::from_prefix(&conf.prefix)?;
    }
    narration::tell_values(&invocation.console, &conf);
    Ok(conf)
}

/// Makes the prefix that the command line asks for, and says so, if there is none. A configuration that is wrong
/// is told by whatever reads it next, for use.
///
/// *Kong parity*: commands that are about to lay a prefix out do this before anything else. Those that only need a
/// configuration do not need a prefix here.
///
/// *Errors*: the prefix is a file, or cannot be made.
pub fn make_prefix(invocation: &Invocation) -> anyhow::Result<()> {
    let Ok(conf) = configured(invocation, Purpose::Stop) else { return Ok(()) };
    let prefix = &conf.prefix;
    if prefix.exists() {
        ensure!(prefix.is_dir(), "{} is not a directory", prefix.display());
        return Ok(());
    }
    println!("prefix directory {} not found, trying to create it", prefix.display());
    fs::create_dir_all(prefix).with_context(|| format!("could not create directory {}", prefix.display()))
}

/// The configuration of the node that was started in the prefix.
///
/// *Errors*: there is no such prefix, or no node was started in it.
pub fn started(invocation: &Invocation) -> anyhow::Result<Conf> {
    let asked = configured(invocation, Purpose::Stop)?;
    let prefix = &asked.prefix;
    ensure!(prefix.exists(), "no such prefix: {}", prefix.display());
    let env = prefix.join(".kong_env");
    ensure!(env.exists(), "Kong is not running at {}", prefix.display());
    narration::tell_values(&invocation.console, &asked);
    narration::tell_env_file(&invocation.console, &env);
    let sources = Sources::kong_env(&env).flag("prefix", prefix.to_str()).purpose(Purpose::Stop);
    let conf = Conf::load(&sources).with_context(|| format!("could not read {}", env.display()))?;
    narration::tell_values(&invocation.console, &conf);
    Ok(conf)
}

/// Whether the process of the node's pid file is alive.
pub fn is_running(conf: &Conf) -> bool {
    is_alive(&conf.pid_file())
}

/// Whether the process of `pid_file` is alive.
pub fn is_alive(pid_file: &Path) -> bool {
    process(pid_file).is_some_and(|pid| matches!(kill(pid, None), Ok(()) | Err(Errno::EPERM)))
}

fn sources(invocation: &Invocation) -> Sources {
    Sources::new(invocation.text("conf").map(Path::new)).flag("prefix", invocation.text("prefix"))
}

fn process(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_with_care() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expected) in [("12\n", Some(12)), ("", None), ("0", None), ("-1", None), ("x", None)] {
            fs::write(file.path(), text).unwrap();
            assert_eq!(process(file.path()).map(Pid::as_raw), expected, "{text:?}");
        }
        assert_eq!(process(Path::new("/nonexistent")), None);
    }
}
