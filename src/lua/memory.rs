//! Watches how much memory a VM holds.
//!
//! Lua's memory is freed by its collector, so that only what is left after a whole collection counts.
//! What grows past the limit then is kept by code that leaks: the VM cannot be mended, only replaced.
#![allow(unsafe_code)] // The collector's pause is set through the C API, which tells the one before.

use super::vm::Vm;
use crate::observability::log;
use mlua::ffi;
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// How long requests may have to wait for the collector, and how long it rests then.
const SLICE: Duration = Duration::from_micros(50);
const REST: Duration = Duration::from_millis(1);

/// Collects all garbage there is now, in small steps between the requests that the thread serves.
///
/// Lua's own steps follow what it allocates, so that a VM without requests would keep what it has let go of.
///
/// *Cost*: a few milliseconds of CPU for each MiB, spread over some hundred.
pub async fn collect_gently(vm: &Vm) {
    // The cycle that goes on has marked some of the garbage already; the one after it finds the rest.
    let mut cycles = 2;
    while cycles > 0 {
        let began = Instant::now();
        while cycles > 0 && began.elapsed() < SLICE {
            match vm.lua().gc_step() {
                Ok(ended) => cycles -= usize::from(ended),
                Err(error) => return log::warn!("a plugin's finalizer failed: {error}"),
            }
        }
        tokio::time::sleep(REST).await;
    }
}

/// Waits until the VM holds more than `limit` bytes even after a collection, and tells of it.
///
/// *Cost*: a look is one call into Lua's bookkeeping; a collection is made only past the limit.
pub async fn outgrown(vm: &Vm, limit: usize) {
    loop {
        tokio::time::sleep(EVERY).await;
        if vm.lua().used_memory() <= limit || vm.lua().gc_collect().is_err() {
            continue;
        }
        let left = vm.lua().used_memory();
        if left > limit {
            let (left, limit) = (left / 1024, limit / 1024);
            log::alert!(
                "the Lua VM of worker {} holds {left} KiB, more than the {limit} KiB of lua_memory_limit: \
                 its process will be replaced",
                vm.settings().worker_id
            );
            return;
        }
    }
}

/// Garbage that may pile up before a collection, however little a VM holds: to go through what is live costs the
/// same for little garbage as for much, and a small VM would be gone through several times a second.
const PILE: usize = 8 << 20;

/// Lua's own pause between collections, in percent of what was live after the last.
const USUAL_PAUSE: usize = 200;

/// Adapts how often a small VM is collected to how much it holds.
///
/// A plugin that sets the pause itself (`collectgarbage("setpause")`) is left its way.
pub async fn pace(vm: &Vm) {
    let mut looks = [usize::MAX; 8];
    let mut set = USUAL_PAUSE;
    for at in (0..looks.len()).cycle() {
        if let Some(look) = looks.get_mut(at) {
            *look = vm.lua().used_memory();
        }
        // The least of some looks is near to what is live.
        let live = looks.iter().min().copied().unwrap_or(usize::MAX);
        let wanted = pause_of(live);
        if wanted != set {
            let before = set_pause(vm, wanted);
            if before != set {
                set_pause(vm, before);
                return;
            }
            set = wanted;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The pause that lets [`PILE`] bytes pile up on `live` ones, in steps of 50.
fn pause_of(live: usize) -> usize {
    let percent = 100 + PILE.saturating_mul(100) / live.max(1);
    (percent / 50 * 50).clamp(USUAL_PAUSE, 1000)
}

/// Sets the collector's pause and returns the one before.
fn set_pause(vm: &Vm, percent: usize) -> usize {
    let percent = c_int::try_from(percent).unwrap_or(c_int::MAX);
    // SAFETY: sets a number of the VM of this thread; runs no Lua.
    let before = unsafe { ffi::lua_gc(vm.frame().state(), ffi::LUA_GCSETPAUSE, percent) };
    usize::try_from(before).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::testing::{block_on, run_in, vm};

    #[test]
    fn what_was_let_go_of_is_collected_without_a_request() {
        let vm = vm();
        let before = vm.lua().used_memory();
        block_on(async {
            run_in(&vm, "do local t = {} for i = 1, 20000 do t[i] = { i } end end").await.unwrap();
            collect_gently(&vm).await;
        });
        let kept = vm.lua().used_memory().saturating_sub(before);
        assert!(kept < 100_000, "{kept} bytes are still there");
    }

    #[test]
    fn a_small_vm_is_collected_less_often_and_a_plugins_own_pause_is_kept() {
        assert_eq!(pause_of(1 << 20), 900);
        assert_eq!(pause_of(64 << 20), USUAL_PAUSE);
        let vm = vm();
        block_on(async {
            let one = tokio::time::timeout(Duration::from_millis(10), pace(&vm));
            assert!(one.await.is_err());
            assert!(set_pause(&vm, 170) > USUAL_PAUSE);
            set_pause(&vm, 170);
            pace(&vm).await;
            assert_eq!(set_pause(&vm, USUAL_PAUSE), 170);
        });
    }

    #[test]
    fn garbage_is_no_growth_and_what_is_kept_is() {
        let vm = vm();
        let limit = vm.lua().used_memory() + (2 << 20);
        block_on(async {
            run_in(&vm, "for i = 1, 200 do local _ = ('x'):rep(100000) .. i end").await.unwrap();
            let quiet = tokio::time::timeout(EVERY * 2, outgrown(&vm, limit)).await;
            assert!(quiet.is_err(), "garbage counted");
            run_in(&vm, "kept = {} for i = 1, 60 do kept[i] = ('x'):rep(100000) .. i end").await.unwrap();
            tokio::time::timeout(EVERY * 3, outgrown(&vm, limit)).await.expect("growth is seen");
        });
    }
}
