//! What the named timers of workers have done, for others than their threads: `/timers` of the Admin API.

use crate::lua::Vm;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// A question: whether flame graphs are wanted, and where the answer goes.
type Question = (bool, oneshot::Sender<Value>);

/// Whom to ask, by the number of the worker.
static WORKERS: Mutex<BTreeMap<usize, mpsc::UnboundedSender<Question>>> = Mutex::new(BTreeMap::new());

/// Answers questions about the timers of a worker's VM, as long as the worker lives.
pub async fn answer(worker: usize, vm: Vm) {
    let (sender, mut questions) = mpsc::unbounded_channel();
    WORKERS.lock().insert(worker, sender);
    while let Some((flamegraph, reply)) = questions.recv().await {
        // Who asked may have gone.
        let _ = reply.send(stats(&vm, flamegraph));
    }
}

/// `kong.timer:stats` of a worker, or of the first where `worker` is `None`: counts, and each timer with its runs;
/// null where the worker does not answer.
///
/// *Cancel safety*: the answer is lost, nothing else.
pub async fn of_worker(worker: Option<usize>, flamegraph: bool) -> Value {
    let sender = {
        let workers = WORKERS.lock();
        match worker {
            Some(worker) => workers.get(&worker).cloned(),
            None => workers.values().next().cloned(),
        }
    };
    let (reply, answer) = oneshot::channel();
    let asked = sender.is_some_and(|sender| sender.send((flamegraph, reply)).is_ok());
    if asked { answer.await.unwrap_or_default() } else { Value::Null }
}

fn stats(vm: &Vm, flamegraph: bool) -> Value {
    let ask = "local flamegraph = ...
        local stats = kong.timer:stats { verbose = true, flamegraph = flamegraph }
        return require('cjson').encode(stats)";
    let told: mlua::Result<String> = vm.lua().load(ask).call(flamegraph);
    told.ok().and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::testing::{block_on, vm};

    #[test]
    fn a_worker_tells_of_its_timers_to_other_threads() {
        let vm = vm();
        let set_up = r#"
            kong = { timer = require("resty.timerng").new() }
            kong.timer:start()
        "#;
        vm.lua().load(set_up).exec().unwrap();
        block_on(async {
            let answering = tokio::task::spawn_local(answer(7001, vm.clone()));
            crate::lua::testing::run_in(
                &vm,
                "assert(kong.timer:named_every('mine', 0.01, function() end)) ngx.sleep(0.05)",
            )
            .await
            .unwrap();
            let asked = std::thread::spawn(|| block_on(of_worker(Some(7001), true)));
            while !asked.is_finished() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let told = asked.join().unwrap();
            assert_eq!(told["sys"]["total"], 1, "{told}");
            assert!(told["timers"]["mine"]["runs"].as_u64() >= Some(1), "{told}");
            assert!(told["flamegraph"]["pending"].as_str().unwrap().contains("mine"), "{told}");
            assert_eq!(of_worker(Some(7002), false).await, Value::Null);
            answering.abort();
        });
    }
}
