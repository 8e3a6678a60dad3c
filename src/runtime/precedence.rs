//! Which threads go first when there is more work than cores.
#![allow(unsafe_code)] // setpriority, sched_setscheduler

use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::observability::log;

/// How much less a thread counts that gave way: a third of the others' share of a busy core.
const NICENESS: libc::c_int = 5;

/// Lets all other threads go before this one when cores are scarce: requests wait neither for the
/// building of a snapshot nor for the Admin API.
pub fn give_way() {
    if let Err(error) = set_niceness(nix::unistd::gettid().as_raw(), NICENESS) {
        log::debug!("the thread keeps its priority: {error}");
    }
}

/// Does long work on cores that nobody else wants: a thread that wakes up for a request takes the core at
/// once, where it would otherwise wait for the end of a time slice.
///
/// On cores that are never free the work would not end, so after `patience` the thread is one like others, and
/// gives way again once the work is done. The system must allow that return (`RLIMIT_NICE`, which worker
/// processes raise that start as root); where it does not, the work is simply done.
///
/// *Cost*: a short-lived thread that keeps the time.
pub fn stand_back<T>(patience: Duration, work: impl FnOnce() -> T) -> T {
    static MAY_RETURN: OnceLock<bool> = OnceLock::new();
    let thread = nix::unistd::gettid().as_raw();
    if !*MAY_RETURN.get_or_init(may_return) {
        return work();
    }
    let (done, end) = channel::<()>();
    // The policy is inherited: who keeps the time is started before it changes.
    let keep_time = move || {
        if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            let _ = set_policy(thread, libc::SCHED_OTHER).and_then(|()| set_niceness(thread, 0));
        }
    };
    if std::thread::Builder::new().name("patience".to_owned()).spawn(keep_time).is_err() {
        return work();
    }
    let _returns = Return { thread, niceness: niceness(), _done: done };
    let _ = set_policy(thread, libc::SCHED_IDLE);
    work()
}

/// Ends standing back, also when the work panics.
struct Return {
    thread: libc::pid_t,
    niceness: libc::c_int,
    _done: std::sync::mpsc::Sender<()>,
}

impl Drop for Return {
    fn drop(&mut self) {
        let back = set_policy(self.thread, libc::SCHED_OTHER);
        let _ = back.and_then(|()| set_niceness(self.thread, self.niceness));
    }
}

/// Whether a thread that stands back may come back, tried out by one that nobody needs.
fn may_return() -> bool {
    let try_out = || {
        let thread = nix::unistd::gettid().as_raw();
        let tried = set_policy(thread, libc::SCHED_IDLE).and_then(|()| set_policy(thread, libc::SCHED_OTHER));
        tried.and_then(|()| set_niceness(thread, 0)).is_ok()
    };
    let tried = std::thread::Builder::new().spawn(try_out).map(std::thread::JoinHandle::join);
    matches!(tried, Ok(Ok(true)))
}

/// That of the calling thread.
fn niceness() -> libc::c_int {
    // SAFETY: the call takes numbers only; on Linux process 0 means the calling thread.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

fn set_niceness(thread: libc::pid_t, niceness: libc::c_int) -> std::io::Result<()> {
    // SAFETY: the call takes numbers only; on Linux a process is a thread here.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, niceness) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn set_policy(thread: libc::pid_t, policy: libc::c_int) -> std::io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters live through the call, which only reads them.
    match unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> libc::c_int {
        // SAFETY: the call takes a number only; 0 means the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn work_stands_back_until_it_ends_or_patience_does() {
        if !may_return() {
            return;
        }
        give_way();
        stand_back(Duration::from_secs(60), || assert_eq!(policy(), libc::SCHED_IDLE));
        assert_eq!(policy(), libc::SCHED_OTHER);
        stand_back(Duration::from_millis(1), || {
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while (policy(), niceness()) != (libc::SCHED_OTHER, 0) {
                assert!(std::time::Instant::now() < deadline);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let panicked =
            std::panic::catch_unwind(|| stand_back(Duration::from_secs(60), || panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!((policy(), niceness()), (libc::SCHED_OTHER, NICENESS));
    }
}
