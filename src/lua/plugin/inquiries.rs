//! What other threads ask workers: `/timers` and `/status/dns` of the Admin API tell of one worker.

use crate::lua::Vm;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// What a worker can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inquiry {
    /// `kong.timer:stats`: counts, and each timer with its runs, with flame graphs.
    Timers,
    /// `kong.dns.stats`: what its resolver was asked, and what came of it.
    Names,
}

/// An inquiry, and where the answer goes.
type Question = (Inquiry, oneshot::Sender<Value>);

/// Whom to ask, by the number of the worker.
static WORKERS: Mutex<BTreeMap<usize, mpsc::UnboundedSender<Question>>> = Mutex::new(BTreeMap::new());

/// Answers inquiries about a worker's VM, as long as the worker lives.
pub async fn answer(worker: usize, vm: Vm) {
    let (sender, mut questions) = mpsc::unbounded_channel();
    WORKERS.lock().insert(worker, sender);
    while let Some((inquiry, reply)) = questions.recv().await {
        // Who asked may have gone.
        let _ = reply.send(told(&vm, inquiry));
    }
}

/// What a worker tells; null where it does not answer.
///
/// *Cancel safety*: the answer is lost, nothing else.
pub async fn of_worker(worker: usize, inquiry: Inquiry) -> Value {
    let sender = WORKERS.lock().get(&worker).cloned();
    let (reply, answer) = oneshot::channel();
    let asked = sender.is_some_and(|sender| sender.send((inquiry, reply)).is_ok());
    if asked { answer.await.unwrap_or_default() } else { Value::Null }
}

fn told(vm: &Vm, inquiry: Inquiry) -> Value {
    let ask = match inquiry {
        Inquiry::Timers => "kong.timer:stats { verbose = true, flamegraph = true }",
        Inquiry::Names => "kong.dns.stats()",
    };
    let told: mlua::Result<String> = vm.lua().load(format!("return require('cjson').encode({ask})")).eval();
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
            let asked = std::thread::spawn(|| block_on(of_worker(7001, Inquiry::Timers)));
            while !asked.is_finished() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let told = asked.join().unwrap();
            assert_eq!(told["sys"]["total"], 1, "{told}");
            assert!(told["timers"]["mine"]["runs"].as_u64() >= Some(1), "{told}");
            assert!(told["flamegraph"]["pending"].as_str().unwrap().contains("mine"), "{told}");
            assert_eq!(of_worker(7002, Inquiry::Timers).await, Value::Null);
            answering.abort();
        });
    }
}
