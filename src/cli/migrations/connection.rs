//! A database that is migrated, asked one thing after the other.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::runtime::Runtime;

use crate::conf::Conf;
use crate::db::Entity;
use crate::db::migrations::{MigrationError, Progress, SchemaMeta, Step};
use crate::db::migrator::{Migrator, label};

/// A connection, and the runtime that drives it.
///
/// Not async: between two questions Lua may run, which asks through it, too.
pub struct Connection {
    runtime: Runtime,
    migrator: Option<Migrator>,
    label: &'static str,
}

impl Connection {
    /// Connects; `timeout` takes the place of the configured one.
    pub fn open(conf: &Conf, timeout: Option<Duration>) -> Result<Connection> {
        let label = label(conf.database);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let migrator = runtime.block_on(Migrator::connect(conf, timeout));
        let migrator = migrator.map_err(|error| prefixed(label, error))?;
        Ok(Connection { runtime, migrator: Some(migrator), label })
    }

    /// What the database calls itself in messages.
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.migrator.as_ref().map(Migrator::database).unwrap_or_default()
    }

    /// What was run.
    pub fn schema_meta(&mut self) -> Result<Option<Vec<SchemaMeta>>> {
        let label = self.label;
        self.ask(async |migrator| migrator.schema_meta().await)
            .map_err(|error| anyhow!("[{label} error] failed to check schema state: {error}"))
    }

    /// Makes `schema_meta` and `locks`.
    pub fn bootstrap(&mut self) -> Result<()> {
        let label = self.label;
        self.ask(async |migrator| migrator.bootstrap().await)
            .map_err(|error| anyhow!("[{label} error] failed to bootstrap database: {error}"))
    }

    /// Drops everything.
    pub fn reset(&mut self) -> Result<()> {
        let label = self.label;
        self.ask(async |migrator| migrator.reset().await).map_err(|error| prefixed(label, error))
    }

    /// Runs a step that needs no Lua.
    pub fn run(&mut self, step: &Step) -> Result<(), MigrationError> {
        self.ask(async |migrator| migrator.run(step).await)
    }

    /// Writes down how far a migration has come.
    pub fn record(&mut self, subsystem: &str, name: &str, progress: Progress) -> Result<()> {
        let label = self.label;
        self.ask(async |migrator| migrator.record(subsystem, name, progress).await)
            .map_err(|error| anyhow!("[{label} error] failed to record migration '{name}': {error}"))
    }

    /// Runs any statements; gives rows, and how many were affected.
    pub fn query(&mut self, sql: &str) -> Result<(Vec<Entity>, u64), MigrationError> {
        self.ask(async |migrator| migrator.query(sql).await)
    }

    /// Takes a lock for so many seconds.
    pub fn take_lock(&mut self, key: &str, owner: &str, seconds: f64) -> Result<bool> {
        let label = self.label;
        self.ask(async |migrator| migrator.take_lock(key, owner, seconds).await)
            .map_err(|error| anyhow!("[{label} error] failed to insert cluster lock: {error}"))
    }

    /// Whether a lock is held.
    pub fn is_locked(&mut self, key: &str) -> Result<bool> {
        let label = self.label;
        self.ask(async |migrator| migrator.is_locked(key).await)
            .map_err(|error| anyhow!("[{label} error] failed to read cluster lock: {error}"))
    }

    /// Gives a lock back.
    pub fn release_lock(&mut self, key: &str, owner: &str) -> Result<()> {
        let label = self.label;
        self.ask(async |migrator| migrator.release_lock(key, owner).await)
            .map_err(|error| prefixed(label, error))
    }

    fn ask<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Migrator) -> Result<T, MigrationError>,
    ) -> Result<T, MigrationError> {
        let Connection { runtime, migrator, .. } = self;
        match migrator {
            Some(migrator) => runtime.block_on(act(migrator)),
            None => Err(MigrationError::Database("the connection is closed".to_owned())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(migrator) = self.migrator.take() {
            self.runtime.block_on(migrator.close());
        }
    }
}

/// A database that cannot be reached, with its name in front of the words.
#[derive(Debug, thiserror::Error)]
#[error("[{label} error] {words}")]
pub struct Away {
    label: &'static str,
    words: String,
}

/// The words of an error with the database's name in front.
pub fn prefixed(label: &'static str, error: MigrationError) -> anyhow::Error {
    match error {
        MigrationError::Away(words) => Away { label, words }.into(),
        error => anyhow!("[{label} error] {error}"),
    }
}
