//! The mutex in a dictionary's header: shared by processes, and robust.
//!
//! Robust means that the kernel tells the next one to lock when an owner died: a worker process killed in the
//! middle of a write must neither block the others for ever nor leave them a half-written table.
#![allow(unsafe_code)] // a mutex that lives in shared memory is the C library's

use std::io;
use std::mem::{MaybeUninit, size_of};

use super::region::Region;

/// Bytes the mutex takes in the header.
pub(super) const LOCK_BYTES: usize = size_of::<libc::pthread_mutex_t>();

/// How often the lock is tried before the thread sleeps: the owner needs well under a microsecond.
const SPINS: u32 = 64;

/// Makes the mutex. Called once, by the creator of the region.
pub(super) fn initialise(region: &Region, at: usize) -> io::Result<()> {
    let Some(mutex) = address(region, at) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: the attributes are initialised by the first call, used by the others, and destroyed by the last;
    // the mutex is in bounds, and nobody else knows the region yet.
    unsafe {
        check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()))?;
        check(libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED))?;
        check(libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST))?;
        check(libc::pthread_mutex_init(mutex, attributes.as_ptr()))?;
        check(libc::pthread_mutexattr_destroy(attributes.as_mut_ptr()))
    }
}

/// The lock, held until dropped.
pub(super) struct Held<'a> {
    region: &'a Region,
    at: usize,
    /// Whether the previous owner died with the lock in its hands.
    pub(super) owner_died: bool,
}

/// Takes the lock.
pub(super) fn hold(region: &Region, at: usize) -> Held<'_> {
    let mut owner_died = false;
    if let Some(mutex) = address(region, at) {
        // SAFETY: the mutex was initialised by the creator of the region and is never moved.
        unsafe {
            let mut answer = libc::pthread_mutex_trylock(mutex);
            for _ in 0..SPINS {
                if answer != libc::EBUSY {
                    break;
                }
                std::hint::spin_loop();
                answer = libc::pthread_mutex_trylock(mutex);
            }
            if answer == libc::EBUSY {
                answer = libc::pthread_mutex_lock(mutex);
            }
            if answer == libc::EOWNERDEAD {
                owner_died = true;
                libc::pthread_mutex_consistent(mutex);
            }
        }
    }
    Held { region, at, owner_died }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(mutex) = address(self.region, self.at) {
            // SAFETY: this thread took the lock in `hold`.
            unsafe { libc::pthread_mutex_unlock(mutex) };
        }
    }
}

fn address(region: &Region, at: usize) -> Option<*mut libc::pthread_mutex_t> {
    region.address(at, LOCK_BYTES).map(|address| address.as_ptr().cast())
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}
