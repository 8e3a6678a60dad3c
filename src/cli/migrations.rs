//! `kong migrations`: the schema of a database.

use std::process::ExitCode;

use anyhow::bail;

use super::{Command, Invocation, Opt, node};
use crate::conf::{Database, Purpose};

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

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let conf = node::configured(invocation, Purpose::Start)?;
    match conf.storage()? {
        Database::Off => bail!("there is no database to migrate with database = off"),
        Database::Postgres | Database::Cassandra | Database::Sqlite => bail!("no store has migrations yet"),
    }
}
