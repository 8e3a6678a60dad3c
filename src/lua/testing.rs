//! Runs Lua snippets in tests: `assert` in Lua fails the test with Lua's message and stack.

use super::{Context, LuaError, Outcome, Phase, Vm, vm::Settings};
use std::future::Future;
use std::time::Duration;

/// Runs a future on a worker-like runtime, for at most ten seconds.
pub fn block_on<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(10), future).await.expect("within ten seconds")
    })
}

/// A VM with the defaults.
pub fn vm() -> Vm {
    Vm::new(Settings::default()).unwrap_or_else(|error| panic!("{}", error.report()))
}

/// Runs a snippet in a phase that may wait.
pub fn run(source: &str) -> Result<Outcome, LuaError> {
    block_on(run_in(&vm(), source))
}

/// Runs a snippet in a phase that may wait, in a given VM.
pub async fn run_in(vm: &Vm, source: &str) -> Result<Outcome, LuaError> {
    let function = vm.load("=snippet", source.as_bytes())?;
    vm.call(&function, Context::bare(Phase::Timer), |_| 0).await
}

/// Runs a snippet that must return.
pub fn check(source: &str) {
    match run(source) {
        Ok(outcome) => assert_eq!(outcome, Outcome::Done),
        Err(error) => panic!("{}", error.report()),
    }
}
