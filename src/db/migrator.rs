//! The database that migrations run on, whichever it is.

use std::time::Duration;

use super::migrations::{MigrationError, Progress, SchemaMeta, Step, Subsystem, bundled, bundled_in_cql};
use super::{Entity, cassandra, postgres};
use crate::conf::{Conf, Database};

/// A connection that migrates.
#[derive(Debug)]
pub enum Migrator {
    /// To a PostgreSQL server.
    Postgres(postgres::Migrator),
    /// To a Cassandra cluster.
    Cassandra(Box<cassandra::Migrator>),
}

/// Asks the same of either.
macro_rules! either {
    ($migrator:expr, $own:ident => $ask:expr) => {
        match $migrator {
            Migrator::Postgres($own) => $ask,
            Migrator::Cassandra($own) => $ask,
        }
    };
}

impl Migrator {
    /// Connects to the database of a configuration; `timeout` takes the place of the configured one.
    ///
    /// *Errors*: it cannot be reached, does not let us in, or needs no migrations.
    pub async fn connect(conf: &Conf, timeout: Option<Duration>) -> Result<Migrator, MigrationError> {
        match conf.database {
            Database::Postgres => {
                let mut settings = postgres::Settings::of(conf);
                settings.timeout = timeout.unwrap_or(settings.timeout);
                postgres::Migrator::connect(&settings).await.map(Migrator::Postgres)
            }
            Database::Cassandra => {
                let mut settings = cassandra::Settings::of(conf);
                settings.timeout = timeout.unwrap_or(settings.timeout);
                let migrator = cassandra::Migrator::connect(&settings).await?;
                Ok(Migrator::Cassandra(Box::new(migrator)))
            }
            Database::Sqlite | Database::Off => {
                Err(MigrationError::Database("there is nothing to migrate".to_owned()))
            }
        }
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        either!(self, own => own.database())
    }

    /// What was run; none for a database without `schema_meta`.
    ///
    /// *Errors*: the database's.
    pub async fn schema_meta(&mut self) -> Result<Option<Vec<SchemaMeta>>, MigrationError> {
        either!(self, own => own.schema_meta().await)
    }

    /// Makes `schema_meta` and `locks`, where they are missing.
    ///
    /// *Errors*: the database's.
    pub async fn bootstrap(&mut self) -> Result<(), MigrationError> {
        either!(self, own => own.bootstrap().await)
    }

    /// Drops everything.
    ///
    /// *Errors*: the database's.
    pub async fn reset(&mut self) -> Result<(), MigrationError> {
        either!(self, own => own.reset().await)
    }

    /// Runs a step that needs no Lua.
    ///
    /// *Errors*: the database's.
    pub async fn run(&mut self, step: &Step) -> Result<(), MigrationError> {
        either!(self, own => own.run(step).await)
    }

    /// Writes down how far a migration has come.
    ///
    /// *Errors*: the database's.
    pub async fn record(
        &mut self,
        subsystem: &str,
        name: &str,
        progress: Progress,
    ) -> Result<(), MigrationError> {
        either!(self, own => own.record(subsystem, name, progress).await)
    }

    /// Takes the lock `key` for `owner`, for so many seconds; tells whether it was free.
    ///
    /// *Errors*: the database's.
    pub async fn take_lock(&mut self, key: &str, owner: &str, seconds: f64) -> Result<bool, MigrationError> {
        either!(self, own => own.take_lock(key, owner, seconds).await)
    }

    /// Whether somebody holds the lock `key`.
    ///
    /// *Errors*: the database's.
    pub async fn is_locked(&mut self, key: &str) -> Result<bool, MigrationError> {
        either!(self, own => own.is_locked(key).await)
    }

    /// Gives the lock `key` back.
    ///
    /// *Errors*: the database's.
    pub async fn release_lock(&mut self, key: &str, owner: &str) -> Result<(), MigrationError> {
        either!(self, own => own.release_lock(key, owner).await)
    }

    /// Runs any statements; gives rows, and how many were affected.
    ///
    /// *Errors*: the database's.
    pub async fn query(&mut self, statements: &str) -> Result<(Vec<Entity>, u64), MigrationError> {
        either!(self, own => own.query(statements).await)
    }

    /// Ends the connection.
    pub async fn close(self) {
        either!(self, own => own.close().await);
    }
}

/// What a database calls itself in messages; nothing for one that needs no migrations.
pub fn label(database: Database) -> &'static str {
    match database {
        Database::Postgres => "PostgreSQL",
        Database::Cassandra => "Cassandra",
        Database::Sqlite => "SQLite",
        Database::Off => "off",
    }
}

/// The migrations that come with the gateway for the database of a configuration.
pub fn bundled_for(conf: &Conf) -> Vec<Subsystem> {
    match conf.database {
        Database::Cassandra => bundled_in_cql(conf.plugins.iter()),
        _ => bundled(conf.plugins.iter()),
    }
}

/// Which database a configuration leads to, without who asks it: what tells one from another.
pub fn address(conf: &Conf) -> String {
    match conf.database {
        Database::Cassandra => cassandra::Settings::of(conf).address(),
        _ => postgres::Settings::of(conf).address(),
    }
}
