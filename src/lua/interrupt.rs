//! Stops Lua code that runs too long without waiting.
//!
//! A watchdog thread looks at each worker's count of entries into Lua. Where it has not moved for
//! the time limit, the worker's thread gets a signal, whose handler sets a debug hook that raises
//! an error at the next instruction, also inside compiled loops. The hook stays until the driver
//! has control again: a loop around `pcall` would swallow a single error.
//!
//! *Bounds*: one long call of a C function (a pattern that backtracks, a huge `string.rep`) cannot
//! be stopped.
#![allow(unsafe_code)] // Signals and debug hooks.

use mlua::ffi::{self, lua_Debug, lua_State};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// Bounds of the watchdog's sleep.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the watchdog knows of one worker.
struct Watch {
    thread: libc::pthread_t,
    /// Odd while the thread is in Lua; changes with each entry and exit.
    entries: AtomicU64,
    limit: Duration,
}

/// Ends the watch with the thread.
struct Registration(Arc<Watch>);

impl Drop for Registration {
    fn drop(&mut self) {
        WATCHES.lock().retain(|watch| !Arc::ptr_eq(watch, &self.0));
    }
}

static WATCHES: Mutex<Vec<Arc<Watch>>> = Mutex::new(Vec::new());

thread_local! {
    static MINE: RefCell<Option<Registration>> = const { RefCell::new(None) };
    static ENTRIES: Cell<*const AtomicU64> = const { Cell::new(ptr::null()) };
    // Read by the signal handler: constants without destructors, safe there.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static HOOKED: Cell<bool> = const { Cell::new(false) };
    static STATE: Cell<*mut lua_State> = const { Cell::new(ptr::null_mut()) };
}

/// Watches this thread's VM from now on.
pub(super) fn start(state: *mut lua_State, limit: Duration) {
    let watch = Arc::new(Watch {
        // SAFETY: always succeeds.
        thread: unsafe { libc::pthread_self() },
        entries: AtomicU64::new(0),
        limit,
    });
    STATE.set(state);
    ENTRIES.set(ptr::from_ref(&watch.entries));
    WATCHES.lock().push(Arc::clone(&watch));
    MINE.set(Some(Registration(watch)));
    static WATCHDOG: Once = Once::new();
    WATCHDOG.call_once(|| {
        install_handler();
        // Without a watchdog code runs unwatched, which is no reason not to serve.
        let _ = std::thread::Builder::new().name("lua watchdog".into()).spawn(watchdog);
    });
}

/// Runs Lua code under the watch; tells with its result whether the watchdog stopped it.
///
/// Code within code under the watch is stopped with it, and tells so first.
pub(super) fn watched<R>(run: impl FnOnce() -> R) -> (R, bool) {
    let depth = DEPTH.get();
    if depth == 0 {
        count_entry();
    }
    DEPTH.set(depth + 1);
    let result = run();
    DEPTH.set(depth);
    let stopped = HOOKED.get();
    if depth == 0 {
        compiler_fence(Ordering::SeqCst);
        count_entry();
        if HOOKED.replace(false) {
            // SAFETY: the VM is idle.
            unsafe { ffi::lua_sethook(STATE.get(), None, 0, 0) };
        }
    }
    (result, stopped)
}

fn count_entry() {
    // SAFETY: `MINE` keeps the counter as long as the thread lives.
    if let Some(entries) = unsafe { ENTRIES.get().as_ref() } {
        entries.store(entries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

fn watchdog() {
    let mut seen: Vec<(*const Watch, u64, Instant)> = Vec::new();
    loop {
        std::thread::sleep(pause());
        let watches = WATCHES.lock();
        let now = Instant::now();
        seen.retain(|(watch, ..)| watches.iter().any(|one| Arc::as_ptr(one) == *watch));
        for watch in watches.iter() {
            let entries = watch.entries.load(Ordering::Relaxed);
            match seen.iter_mut().find(|(one, ..)| *one == Arc::as_ptr(watch)) {
                None => seen.push((Arc::as_ptr(watch), entries, now)),
                Some(row) if row.1 != entries => *row = (row.0, entries, now),
                Some(row) if entries % 2 == 1 && now - row.2 >= watch.limit => {
                    // SAFETY: the lock held keeps the registration, and so the thread, alive.
                    unsafe { libc::pthread_kill(watch.thread, signal()) };
                }
                Some(_) => {}
            }
        }
    }
}

/// How long the watchdog sleeps: a tenth of the shortest limit, so that code is stopped soon after it, and an
/// idle gateway is not woken often.
fn pause() -> Duration {
    let shortest = WATCHES.lock().iter().map(|watch| watch.limit).min().unwrap_or(LONGEST_PAUSE);
    (shortest / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// A real-time signal: Kong gives the named ones meanings.
fn signal() -> c_int {
    libc::SIGRTMIN() + 3
}

fn install_handler() {
    // SAFETY: the handler touches thread-local cells and the hook only.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal(), &action, ptr::null_mut());
    }
}

extern "C" fn on_signal(_: c_int) {
    if DEPTH.get() == 0 || HOOKED.replace(true) {
        return;
    }
    let mask = ffi::LUA_MASKCOUNT | ffi::LUA_MASKCALL | ffi::LUA_MASKRET;
    // SAFETY: setting a hook is what LuaJIT's own interpreter does in its signal handler.
    unsafe { ffi::lua_sethook(STATE.get(), Some(stop), mask, 1) };
}

unsafe extern "C-unwind" fn stop(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: raises; no Rust value is alive.
    unsafe { ffi::luaL_error(state, c"code ran too long without waiting and was stopped".as_ptr()) };
}
