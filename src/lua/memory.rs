//! Watches how much memory a VM holds.
//!
//! Lua's memory is freed by its collector, so that only what is left after a whole collection counts.
//! What grows past the limit then is kept by code that leaks: the VM cannot be mended, only replaced.

use super::vm::Vm;
use crate::observability::log;
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::testing::{block_on, run_in, vm};

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
