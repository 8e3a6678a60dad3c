//! Which threads go first when there is more work than cores.
#![allow(unsafe_code)] // setpriority

use crate::observability::log;

/// How much less a thread counts that gave way: a third of the others' share of a busy core.
const NICENESS: libc::c_int = 5;

/// Lets all other threads go before this one when cores are scarce: requests wait neither for the
/// building of a snapshot nor for the Admin API.
pub fn give_way() {
    // SAFETY: the call takes numbers only; on Linux process 0 means the calling thread.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    if outcome != 0 {
        log::debug!("the thread keeps its priority: {}", std::io::Error::last_os_error());
    }
}
