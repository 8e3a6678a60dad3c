//! `kong start`: lays the prefix out and starts a node in it.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::{Command, Console, Invocation, Opt, migrations, node};
use crate::conf::{Conf, Database, Purpose, absolute, prefix};
use crate::db::migrator::address;
use crate::db::standby::{self, StandbyError};
use crate::runtime::{Launch, launch};

/// The command.
pub const COMMAND: Command = Command {
    name: "start",
    usage: "\
Usage: kong start [OPTIONS]

Start a node in the prefix directory. In the background (the default) the command ends once the node
answers; with nginx_daemon = off it becomes the node.

Options:
 -c,--conf                 (optional string)   configuration file

 -p,--prefix               (optional string)   prefix directory, instead of the configured one

 --nginx-conf              (optional string)   accepted and not used: there is no nginx

 --run-migrations          (optional boolean)  bring the database up to date first

 --db-timeout              (optional number)   seconds that a database operation may take

 --lock-timeout            (default 60)        seconds to wait for another node that is
                                               running the migrations

 --nginx-conf-flags        (optional string)   accepted and not used
",
    subcommands: &[],
    options: OPTIONS,
    execute,
};

/// The options of `start`, which `restart` has, too.
pub(super) const OPTIONS: &[Opt] = &[
    Opt::text(Some('c'), "conf"),
    Opt::text(Some('p'), "prefix"),
    Opt::text(None, "nginx-conf"),
    Opt::flag(None, "run-migrations"),
    Opt::number(None, "db-timeout"),
    Opt::number(None, "lock-timeout"),
    Opt::text(None, "nginx-conf-flags"),
];

/// Starts a node, unless one runs in the prefix.
pub(super) fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let console = &invocation.console;
    node::make_prefix(invocation)?;
    let conf = node::announced(invocation, Purpose::Start)?;
    ensure!(!node::is_running(&conf), "Kong is already running in {}", conf.prefix.display());
    let file = conf.file.clone();
    let conf = prepare(conf, console)?;
    check_database(invocation, &conf)?;
    let node = Launch {
        prefix: absolute(&conf.prefix),
        conf: file.as_deref().map(absolute),
        daemon: conf.nginx.main.daemon,
    };
    if let Err(error) = launch(&node) {
        console.verbose("could not start Kong, stopping services");
        console.verbose("stopped services");
        return Err(error.into());
    }
    console.info("Kong started");
    Ok(ExitCode::SUCCESS)
}

/// Refuses a database that is not prepared; with `--run-migrations` it is brought up to date first.
fn check_database(invocation: &Invocation, conf: &Conf) -> anyhow::Result<()> {
    if !matches!(conf.storage()?, Database::Postgres | Database::Cassandra) {
        return Ok(());
    }
    let console = invocation.console;
    let migrate = invocation.flag("run-migrations");
    let checked = migrations::open(invocation, conf, console).and_then(|flow| flow.check(migrate));
    let checked = match checked {
        Err(error) if migrations::is_away(&error) && !migrate => stand_by(conf, &console, error),
        checked => checked,
    };
    checked.inspect_err(|_| {
        console.verbose("could not start Kong, stopping services");
        console.verbose("stopped services");
    })
}

/// Lets a node start from the copy of a database that is away, if there is one.
///
/// *Errors*: that it is away.
fn stand_by(conf: &Conf, console: &Console, away: anyhow::Error) -> anyhow::Result<()> {
    let Some(file) = conf.standby_file() else { return Err(away) };
    match standby::check(&file, &address(conf)) {
        Ok(()) => {
            console.warn(format!("{away}"));
            console.warn(format!(
                "the database cannot be reached: starting from the copy of it that is kept in {}, until it is back",
                file.display()
            ));
            Ok(())
        }
        Err(StandbyError::Missing { .. }) => Err(away),
        Err(error) => {
            console.warn(format!("the kept copy of the database cannot be used: {error}"));
            Err(away)
        }
    }
}

fn prepare(conf: Conf, console: &Console) -> anyhow::Result<Conf> {
    let place = conf.prefix.clone();
    console.verbose(format!("preparing nginx prefix directory at {}", place.display()));
    for warning in &conf.warnings {
        console.warn(warning);
    }
    let prepared = prefix::prepare(conf)?;
    prepared.notes.iter().for_each(|note| console.info(note));
    prepared.warnings.iter().for_each(|warning| console.warn(warning));
    remove_dangling_sockets(&place.join("sockets"), console)?;
    Ok(prepared.conf)
}

/// Removes the socket files that a node left which was killed.
///
/// *Kong parity*: the warnings.
fn remove_dangling_sockets(folder: &Path, console: &Console) -> anyhow::Result<()> {
    let is_socket = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_socket());
    let sockets: Vec<_> =
        fs::read_dir(folder)?.flatten().filter(is_socket).map(|entry| entry.path()).collect();
    if sockets.is_empty() {
        return Ok(());
    }
    console.warn(format!(
        "Found dangling unix sockets in the prefix directory (\"{}\") while preparing to start Kong. This may be a \
         sign that Kong was previously shut down uncleanly or is in an unknown state and could require further \
         investigation.",
        folder.display()
    ));
    console.warn("Attempting to remove dangling sockets before starting Kong...");
    for socket in sockets {
        console.warn(format!("removing unix socket: {}", socket.display()));
        fs::remove_file(&socket).with_context(|| format!("could not remove {}", socket.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_sockets_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, file) = (folder.path().join("we.sock"), folder.path().join("notes.txt"));
        drop(UnixListener::bind(&socket).unwrap());
        fs::write(&file, "kept").unwrap();
        remove_dangling_sockets(folder.path(), &Console::quiet()).unwrap();
        assert!(!socket.exists() && file.exists());
    }
}
