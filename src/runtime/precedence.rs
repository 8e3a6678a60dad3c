//! Which threads go first when there is more work than cores.
#![allow(unsafe_code)] // setpriority, sched_setscheduler, sched_setattr

use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::observability::log;

/// How much less a thread counts that gave way: a third of the others' share of a busy core.
const NICENESS: libc::c_int = 5;

/// The time slice of a thread that serves requests: the system's own is some milliseconds.
const PROMPT_SLICE: Duration = Duration::from_micros(500);

/// Asks for short time slices, so that this thread, when it wakes up for a request, does not wait for the end
/// of another's slice; it gets no more of a busy core for that.
///
/// Measured with a thread that builds a snapshot on the same core: the longest wait in a thousand is 3.9–4.0 ms
/// where that thread only gives way, 1.3–2.5 ms where it stands back, and 0.2–1.3 ms with short slices besides.
/// Linux before 6.12 takes no notice.
pub fn answer_promptly() {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        niceness: niceness(),
        runtime: PROMPT_SLICE.as_nanos() as u64,
        ..Attributes::default()
    };
    // SAFETY: the attributes have the layout and size of the system's first version of them and live through the
    // call, which only reads them; thread 0 means the calling one.
    let outcome = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if outcome != 0 {
        log::debug!("the thread keeps its time slice: {}", std::io::Error::last_os_error());
    }
}

/// `struct sched_attr` of Linux, in its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    niceness: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

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
    fn a_short_slice_changes_neither_policy_nor_niceness() {
        let before = (policy(), niceness());
        answer_promptly();
        assert_eq!((policy(), niceness()), before);
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
