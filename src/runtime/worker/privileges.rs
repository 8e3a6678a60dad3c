//! Limits raised and privileges given up by a worker process.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Group, Uid, User, chown, initgroups, setgid, setuid};

use super::super::{Needs, RuntimeError};
use crate::observability::log;

/// Raises the limit of open files as far as asked and allowed.
pub(in crate::runtime) fn raise_open_files(needs: &Needs) {
    let Some(wanted) = needs.open_files else { return };
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return;
    }
    log::alert!("setrlimit(RLIMIT_NOFILE, {wanted}) failed: the limit is {hard}");
    let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
}

/// Lets threads that stand back for a while come back, which the system otherwise allows root only.
pub(in crate::runtime) fn allow_return() {
    /// Of the usual niceness, counted as `setrlimit` does.
    const USUAL: u64 = 20;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NICE) else { return };
    if soft < USUAL && setrlimit(Resource::RLIMIT_NICE, USUAL, hard.max(USUAL)).is_err() {
        log::debug!("setrlimit(RLIMIT_NICE, {USUAL}) failed: the limit is {hard}");
    }
}

/// Lets the log files, created if need be, belong to the user that workers run as, who opens them anew after USR1.
pub(in crate::runtime) fn give_logs_away(prefix: &Path, needs: &Needs) {
    let Ok(Some((user, _))) = target(needs) else { return };
    let error_log = (!needs.error_log.starts_with("syslog:")).then(|| prefix.join(&needs.error_log));
    for path in needs.logs.iter().cloned().chain(error_log) {
        if path.starts_with("/dev") || path.starts_with("/proc") {
            continue;
        }
        let _ = OpenOptions::new().append(true).create(true).open(&path);
        if path.is_file() {
            let _ = chown(&path, Some(user.uid), None);
        }
    }
}

/// Becomes the configured user, if this process runs as root and another is configured.
///
/// # Errors
/// The user or group does not exist, or the system refuses.
pub(in crate::runtime) fn give_up(needs: &Needs) -> Result<(), RuntimeError> {
    let Some((user, group)) = target(needs)? else { return Ok(()) };
    let failed = |call: &'static str| {
        move |error: nix::errno::Errno| RuntimeError::process(call)(std::io::Error::from(error))
    };
    let name = CString::new(user.name.clone()).unwrap_or_default();
    setgid(group).map_err(failed("setgid()"))?;
    initgroups(&name, group).map_err(failed("initgroups()"))?;
    setuid(user.uid).map_err(failed("setuid()"))
}

/// The user and group to become; `None` when there is nothing to give up.
fn target(needs: &Needs) -> Result<Option<(User, Gid)>, RuntimeError> {
    let Some(names) = needs.user.as_deref().filter(|_| Uid::effective().is_root()) else { return Ok(None) };
    let mut names = names.split_whitespace();
    let Some(user) = names.next() else { return Ok(None) };
    let unknown = |call, name: &str| RuntimeError::NoSuchUser { call, name: name.to_owned() };
    let found = User::from_name(user).ok().flatten().ok_or_else(|| unknown("getpwnam", user))?;
    let group = names.next().unwrap_or(user);
    let group = Group::from_name(group).ok().flatten().ok_or_else(|| unknown("getgrnam", group))?;
    Ok((!found.uid.is_root()).then_some((found, group.gid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_named_in_nginx_words() {
        if !Uid::effective().is_root() {
            return;
        }
        let needs = Needs { user: Some("nobody-of-that-name".to_owned()), ..Needs::default() };
        assert_eq!(give_up(&needs).unwrap_err().to_string(), "getpwnam(\"nobody-of-that-name\") failed");
    }

    #[test]
    fn root_as_the_configured_user_gives_nothing_up() {
        let needs = Needs { user: Some("root root".to_owned()), ..Needs::default() };
        assert!(target(&needs).unwrap().is_none());
    }
}
