//! `kong config`: declarative configuration files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};

use super::{Command, Console, Invocation, Opt, node};
use crate::conf::{Conf, Database, absolute};
use crate::db::Dao;
use crate::db::declarative::{Configuration, Reader, transfer};
use crate::entities::Registry;
use crate::node::{dao_of_command, schemas_of_command};
use crate::observability::{Level, log};

const DEFAULT_FILE: &str = "./kong.yml";
const EXAMPLE: &str = include_str!("config_example.yml");

/// The command.
pub const COMMAND: Command = Command {
    name: "config",
    usage: "\
Usage: kong config COMMAND [OPTIONS]

Work with declarative configuration files.

The available commands are:
  init [<file>]                       Write an example file to start from,
                                      ./kong.yml unless a file is named.

  db_import <file>                    Load a file into the database.

  db_export [<file>]                  Write the database into a file,
                                      ./kong.yml unless a file is named.

  parse <file>                        Tell whether a file is valid, without
                                      loading it.

Options:
 -c,--conf        (optional string)   Configuration file.
 -p,--prefix      (optional string)   Override prefix directory.
",
    subcommands: &["db_export", "db_import", "init", "parse"],
    options: &[Opt::text(Some('c'), "conf"), Opt::text(Some('p'), "prefix")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let subcommand = invocation.subcommand.as_deref().unwrap_or_default();
    if subcommand == "init" {
        return init(invocation);
    }
    let conf = node::running_or_configured(invocation)?;
    match subcommand {
        "parse" => parse(invocation, &conf),
        "db_import" => db_import(invocation, &conf),
        _ => db_export(invocation, &conf),
    }
}

fn init(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let path = file(invocation).unwrap_or_else(|| absolute(Path::new(DEFAULT_FILE)));
    ensure!(!path.exists(), "{} already exists.\nWill not overwrite it.", path.display());
    std::fs::write(&path, EXAMPLE).with_context(|| format!("could not write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn parse(invocation: &Invocation, conf: &Conf) -> anyhow::Result<ExitCode> {
    let path =
        file(invocation).context("expected a declarative configuration file; see `kong config --help`")?;
    // The VM holds the functions of plugins' schemas: it must outlive the reader.
    let (_vm, registry) = schemas_of_command(conf).map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&registry);
    read(&reader, &path.to_string_lossy(), &invocation.console)?;
    invocation.console.info("parse successful");
    Ok(ExitCode::SUCCESS)
}

fn read(reader: &Reader, path: &str, console: &Console) -> anyhow::Result<Configuration> {
    if path.ends_with(".lua") {
        console.warn("db_import of .lua files is deprecated; please convert your file into .yaml or .json");
    }
    reader.read_file(path).map_err(|error| {
        let places: String = error.places(path).iter().map(|place| format!("\n{place}")).collect();
        anyhow!("Failed parsing:\n{error}{places}")
    })
}

/// Runs work on the configured database.
fn with_database<T>(
    conf: &Conf,
    reader: &Reader,
    registry: &Registry,
    work: impl AsyncFnOnce(Dao) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let dao = dao_of_command(conf, registry, reader.model()).await.map_err(anyhow::Error::msg)?;
        work(dao).await
    })
}

fn db_import(invocation: &Invocation, conf: &Conf) -> anyhow::Result<ExitCode> {
    ensure!(
        conf.database != Database::Off,
        "'kong config db_import' only works with a database.\nWhen using database=off, reload your declarative \
         configuration\nusing the /config endpoint."
    );
    conf.storage()?;
    let path =
        file(invocation).context("expected a declarative configuration file; see `kong config --help`")?;
    let (_vm, registry) = schemas_of_command(conf).map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&registry);
    let console = &invocation.console;
    with_database(conf, &reader, &registry, async |dao| {
        let configuration = read(&reader, &path.to_string_lossy(), console)?;
        console.info("parse successful, beginning import");
        let imported = transfer::import(&dao, &reader, configuration).await;
        imported.map_err(|error| anyhow!("Failed importing:\n{error}"))
    })?;
    console.info("import successful");
    Ok(ExitCode::SUCCESS)
}

fn db_export(invocation: &Invocation, conf: &Conf) -> anyhow::Result<ExitCode> {
    ensure!(conf.database != Database::Off, "'kong config db_export' only works with a database.");
    let path = file(invocation).unwrap_or_else(|| absolute(Path::new(DEFAULT_FILE)));
    ensure!(!path.exists(), "{} already exists. Will not overwrite it.", path.display());
    conf.storage()?;
    let (_vm, registry) = schemas_of_command(conf).map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&registry);
    // What of the stored values is deprecated is no news to whoever exports them.
    log::set_level(Level::Error);
    let text = with_database(conf, &reader, &registry, async |dao| Ok(transfer::export(&dao).await?))?;
    std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn file(invocation: &Invocation) -> Option<PathBuf> {
    invocation.positional.first().map(|file| absolute(Path::new(file)))
}
