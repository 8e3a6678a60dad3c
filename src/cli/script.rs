//! Running Lua code in the runtime of a worker: what `kong lua` and `kong test` share.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::conf::Conf;
use crate::lua::{Context, LuaError, Phase, Vm, sources};
use crate::node::script;

/// The Lua side of what is set up for a script.
const SET_UP: &str = "host/script.lua";

/// How a script begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `kong lua`: modules are found as in a worker.
    Program,
    /// `kong test`: the gateway's own modules come before those of the working directory.
    Specs,
}

/// Makes the VM, runs `act` with it as a worker would, and ends with the code that it answers.
pub fn run<F>(conf: &Conf, kind: Kind, act: impl FnOnce(Vm) -> F) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = tokio::task::LocalSet::new().block_on(&runtime, async {
        let vm = script::vm(conf, |vm| set_up(vm, kind)).map_err(anyhow::Error::msg)?;
        act(vm).await
    });
    // What still waits on other threads, a read of the terminal for one, is not waited for.
    runtime.shutdown_background();
    code
}

/// The words of an error that ended a script, with its traceback.
pub fn failed(error: LuaError) -> anyhow::Error {
    anyhow::Error::msg(error.report())
}

/// The executable that runs, for scripts that start nodes.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| Path::new("kong").to_path_buf())
}

fn set_up(vm: &Vm, kind: Kind) -> Result<(), LuaError> {
    let source = sources::file(SET_UP).unwrap_or_default();
    let function = vm.load(&format!("@lua/{SET_UP}"), source)?;
    vm.call_now(&function, Context::bare(Phase::Init), |frame| {
        frame.push_boolean(kind == Kind::Specs);
        frame.push_text(&program().to_string_lossy());
        2
    })?;
    Ok(())
}
