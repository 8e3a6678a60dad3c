//! `kong test`: runs specs with busted, in the runtime that plugins run in.
//!
//! # Where modules come from
//!
//! The gateway's own modules, `spec.helpers` among them, come before those of the working directory: a
//! plugin's folder needs no copy of them, and a checkout of Kong is tested against this gateway and not
//! against its own Lua sources. In such a checkout (it has `kong/meta.lua`) no module of the `kong`
//! namespace is taken from `./kong`, also not by the nodes under test; its specs and fixtures are. Data
//! (`spec.fixtures.ssl`) is the other way round: that of the working directory comes first.
//!
//! # What the environment says
//!
//! | variable | meaning |
//! |---|---|
//! | `KONG_TEST_NAME` | `KONG_NAME` for the specs and their nodes; `KONG_NAME` itself is taken away |
//! | `KONG_TEST_DATABASE` | the strategy that `helpers.each_strategy()` gives: `off`, `sqlite`, `postgres` |
//! | `KONG_TEST_PG_DATABASE`, `…_PG_HOST` … | where the database of the strategy `postgres` is; the specs empty it |
//! | `KONG_TEST_SQLITE_PATH` | the file of the strategy `sqlite`, instead of a new one |
//! | `KONG_SPEC_TEST_CONF_PATH` | the kong.conf of nodes, instead of `spec/kong_tests.conf` or our own |
//! | `KONG_SPEC_TEST_MOCK_UPSTREAM_PORT`, `…_SSL_PORT` | other ports for the mock upstream |
//! | `KONG_SPEC_TEST_REDIS_HOST`, `…_PORT`, `…_SSL_PORT` | where specs find Redis |
//! | `KONG_SPEC_SOURCES` | the gateway's source tree, whose Lua files are then read instead of the built-in ones |

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use super::{Command, Invocation, Opt, script};
use crate::conf::{Conf, Purpose, Sources};
use crate::lua::{Context, LuaError, Phase, Vm};
use crate::node::script::offer_database;

/// The command.
pub const COMMAND: Command = Command {
    name: "test",
    usage: "\
Usage: kong test [BUSTED OPTIONS] PATH...

Run specs with busted, in the runtime that plugins run in and with this gateway's spec.helpers. Settings
for the specs' gateways are taken from KONG_TEST_<NAME> in the environment.

Options:
",
    subcommands: &[],
    options: &[Opt::rest()],
    execute,
};

/// Set in the environment of the process that runs the specs.
const PREPARED: &str = "KONG_SPEC_PREPARED";

/// Starts busted. It ends the process itself; coming back is success.
const RUN: &[u8] = b"require('busted.runner')({ standalone = false })";

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    if std::env::var_os(PREPARED).is_none() {
        return in_clean_environment();
    }
    let arguments = invocation.positional.clone();
    let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
    let mut conf = Conf::load(&sources.purpose(Purpose::Inspect))?;
    trust_fixture(&mut conf);
    script::run(&conf, script::Kind::Specs, |vm| async move {
        match run(&vm, &arguments).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                eprintln!("kong test: {}", error.report());
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// Has specs trust the certificate that servers among their fixtures show.
///
/// *Kong parity*: `bin/busted` trusts it beside the system's.
fn trust_fixture(conf: &mut Conf) {
    const FIXTURE: &str = "spec/fixtures/kong_spec.crt";
    if std::path::Path::new(FIXTURE).exists() && !conf.lua_ssl_trusted_certificate.is_empty() {
        conf.lua_ssl_trusted_certificate.push(FIXTURE.to_owned());
    }
}

/// Runs this program again with `KONG_TEST_NAME` as `KONG_NAME` and without other settings of a gateway.
///
/// *Kong parity*: `bin/busted` does so, but for variables that begin with `KONG_SPEC_`, which stay.
fn in_clean_environment() -> anyhow::Result<ExitCode> {
    let mut command = std::process::Command::new(script::program());
    command.args(std::env::args_os().skip(1)).env(PREPARED, "1");
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("KONG_SPEC_") {
            continue;
        } else if let Some(setting) = name.strip_prefix("KONG_TEST_") {
            command.env_remove(name).env(format!("KONG_{setting}"), value);
        } else if name.starts_with("KONG_")
            && std::env::var_os(name.replacen("KONG_", "KONG_TEST_", 1)).is_none()
        {
            command.env_remove(name);
        }
    }
    // Comes back only when the program cannot be run.
    Err(command.exec().into())
}

async fn run(vm: &Vm, arguments: &[String]) -> Result<(), LuaError> {
    offer_database(vm)?;
    let arg = vm.lua().create_sequence_from(arguments.iter().map(String::as_str))?;
    arg.set(0, "kong test")?;
    vm.lua().globals().set("arg", arg)?;
    let busted = vm.load("=kong test", RUN)?;
    vm.call(&busted, Context::bare(Phase::Timer), |_| 0).await.map(drop)
}
