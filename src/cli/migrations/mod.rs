//! `kong migrations`: the schema of a database.
//!
//! [`Flow`] has the order of things, [`connection`] asks the database, [`plugins`] runs what plugins bring along in
//! Lua.

mod connection;
mod flow;
mod plugins;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};

use super::{Command, Console, Invocation, Opt, node};
use crate::KONG_VERSION;
use crate::conf::{Conf, Database, Purpose};
use crate::db::migrations::{SchemaState, SubsystemMigrations};

pub(super) use flow::{Flow, NEEDS_BOOTSTRAP};

/// The command.
pub const COMMAND: Command = Command {
    name: "migrations",
    usage: "\
Usage: kong migrations COMMAND [OPTIONS]

Manage the schema of the database.

The available commands are:
  bootstrap                         Create the schema and run all migrations.

  up                                Run the new migrations.

  finish                            Finish running migrations that are pending.

  list                              List the migrations that were run.

  reset                             Drop everything in the database.

  status                            Print the state of the schema as JSON.

Options:
 -y,--yes                           Assume \"yes\" and ask nothing.

 -q,--quiet                         Print nothing.

 -f,--force                         Run migrations even if they were run already.

 --db-timeout     (optional number) Timeout of a database operation, in seconds.

 --lock-timeout   (default 60)      Time to wait for another node that runs migrations, in seconds.

 -c,--conf        (optional string) Configuration file.

 -p,--prefix      (optional string) Override prefix directory.
",
    subcommands: &["bootstrap", "finish", "list", "reset", "status", "up"],
    options: &[
        Opt::flag(Some('y'), "yes"),
        Opt::flag(Some('q'), "quiet"),
        Opt::flag(Some('f'), "force"),
        Opt::number(None, "db-timeout"),
        Opt::number(None, "lock-timeout"),
        Opt::text(Some('c'), "conf"),
        Opt::text(Some('p'), "prefix"),
    ],
    execute,
};

/// Exit codes of `list`.
const NEEDS_BOOTSTRAP_CODE: u8 = 3;
const PENDING_CODE: u8 = 4;
const NEW_CODE: u8 = 5;

/// How long another node is waited for, in seconds, unless told otherwise.
pub(super) const LOCK_TIMEOUT: f64 = 60.0;

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let console = if invocation.flag("quiet") { Console::quiet() } else { invocation.console };
    let conf = node::configured(invocation, Purpose::Start)?;
    ensure!(!conf.prefix.exists() || conf.prefix.is_dir(), "{} is not a directory", conf.prefix.display());
    let subcommand = invocation.subcommand.as_deref().unwrap_or_default();
    match conf.database {
        Database::Postgres | Database::Cassandra => on_server(invocation, subcommand, &conf, console),
        Database::Off | Database::Sqlite => settled(invocation, subcommand, &conf, console),
    }
}

fn on_server(
    invocation: &Invocation,
    subcommand: &str,
    conf: &Conf,
    console: Console,
) -> anyhow::Result<ExitCode> {
    let flow = open(invocation, conf, console)?;
    let force = invocation.flag("force");
    match subcommand {
        "bootstrap" => flow.bootstrap(force)?,
        "up" => flow.up(force)?,
        "finish" => flow.finish(force)?,
        "list" => return Ok(list(&flow.state()?, console, flow.label(), &flow.database())),
        "status" => println!("{}", flow.state()?.to_json()),
        "reset" => {
            if !confirmed(invocation, console, || flow.state())? {
                return Ok(ExitCode::SUCCESS);
            }
            return Ok(if flow.reset()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        other => bail!("no such command: {other}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The database of a configuration, with the time-outs of the command line.
pub(super) fn open(invocation: &Invocation, conf: &Conf, console: Console) -> anyhow::Result<Flow> {
    let lock_timeout = invocation.number("lock-timeout").unwrap_or(LOCK_TIMEOUT);
    let timeout =
        invocation.number("db-timeout").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Flow::open(conf, console, lock_timeout, timeout)
}

/// Whether an error of [`open`] says that the database cannot be reached.
pub(super) fn is_away(error: &anyhow::Error) -> bool {
    error.is::<connection::Away>()
}

/// Answers for a store that needs no migrations, or makes its tables itself.
fn settled(
    invocation: &Invocation,
    subcommand: &str,
    conf: &Conf,
    console: Console,
) -> anyhow::Result<ExitCode> {
    let plugins = plugins::Plugins::of(conf)?;
    let state = SchemaState::settled(&flow::subsystems(conf, plugins.as_ref())?);
    match subcommand {
        "bootstrap" => console.info("Database already bootstrapped"),
        "up" => console.info("Database is already up-to-date"),
        "finish" => console.info("No pending migrations to finish"),
        "list" => return Ok(list(&state, console, "database", "in memory")),
        "status" => println!("{}", state.to_json()),
        "reset" if conf.database == Database::Sqlite => {
            bail!("an SQLite database is reset by stopping Kong and removing its file (sqlite_path)")
        }
        "reset" => {
            if confirmed(invocation, console, || Ok(state))? {
                console.info("Resetting database...");
                console.info("Database successfully reset");
            }
        }
        other => bail!("no such command: {other}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether everything may be dropped: with `--yes`, or after the question.
fn confirmed(
    invocation: &Invocation,
    console: Console,
    state: impl FnOnce() -> anyhow::Result<SchemaState>,
) -> anyhow::Result<bool> {
    const QUESTION: &str = "> Are you sure? This operation is irreversible. [y/n] ";
    const ATTEMPTS: usize = 3;
    if invocation.flag("yes") {
        return Ok(true);
    }
    ensure!(
        std::io::stdin().is_terminal(),
        "not a tty: invoke 'reset' non-interactively with the --yes flag"
    );
    if state()?.needs_bootstrap {
        return Ok(true);
    }
    for _ in 0..ATTEMPTS {
        print!("{QUESTION}");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" | "YES" => return Ok(true),
            "n" | "N" | "no" | "NO" => break,
            _ => {}
        }
    }
    console.info("cancelled");
    Ok(false)
}

fn list(state: &SchemaState, console: Console, label: &str, database: &str) -> ExitCode {
    if state.needs_bootstrap {
        console.info(NEEDS_BOOTSTRAP);
        return ExitCode::from(NEEDS_BOOTSTRAP_CODE);
    }
    let mut gap = "";
    for (title, kept) in [
        ("Executed migrations", &state.executed),
        ("Pending migrations", &state.pending),
        ("New migrations available", &state.new),
    ] {
        if !kept.is_empty() {
            console.info(format!("{gap}{title}:\n{}", SubsystemMigrations::list(kept)));
            gap = "\n";
        }
    }
    match (state.pending.is_empty(), state.new.is_empty()) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => {
            console.info("\nRun 'kong migrations up' to proceed");
            ExitCode::from(NEW_CODE)
        }
        (false, true) => {
            console.info("\nRun 'kong migrations finish' when ready");
            ExitCode::from(PENDING_CODE)
        }
        (false, false) => {
            console.info("");
            console.warn(format!(
                "Database has pending migrations from a previous upgrade, and new migrations from this upgrade \
                 (version {KONG_VERSION})"
            ));
            console.info(format!(
                "\nRun 'kong migrations finish' when ready to complete pending migrations ({label} database \
                 '{database}' will be incompatible with the previous Kong version)"
            ));
            ExitCode::from(PENDING_CODE)
        }
    }
}
