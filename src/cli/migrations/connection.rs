//! A database that is migrated, asked one thing after the other.

use anyhow::{Result, anyhow};
use tokio::runtime::Runtime;

use crate::db::Entity;
use crate::db::migrations::{MigrationError, Progress, SchemaMeta, Step};
use crate::db::postgres::{Migrator, Settings};

/// A connection, and the runtime that drives it.
///
/// Not async: between two questions Lua may run, which asks through it, too.
pub struct Connection {
    runtime: Runtime,
    migrator: Option<Migrator>,
}

impl Connection {
    /// Connects.
    pub fn open(settings: &Settings) -> Result<Connection> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let migrator = runtime.block_on(Migrator::connect(settings)).map_err(prefixed)?;
        Ok(Connection { runtime, migrator: Some(migrator) })
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.migrator.as_ref().map(Migrator::database).unwrap_or_default()
    }

    /// What was run.
    pub fn schema_meta(&mut self) -> Result<Option<Vec<SchemaMeta>>> {
        self.ask(async |migrator| migrator.schema_meta().await)
            .map_err(|error| anyhow!("[PostgreSQL error] failed to check schema state: {error}"))
    }

    /// Makes `schema_meta` and `locks`.
    pub fn bootstrap(&mut self) -> Result<()> {
        self.ask(async |migrator| migrator.bootstrap().await)
            .map_err(|error| anyhow!("[PostgreSQL error] failed to bootstrap database: {error}"))
    }

    /// Drops everything.
    pub fn reset(&mut self) -> Result<()> {
        self.ask(async |migrator| migrator.reset().await).map_err(prefixed)
    }

    /// Runs a step that needs no Lua.
    pub fn run(&mut self, step: &Step) -> Result<(), MigrationError> {
        self.ask(async |migrator| migrator.run(step).await)
    }

    /// Writes down how far a migration has come.
    pub fn record(&mut self, subsystem: &str, name: &str, progress: Progress) -> Result<()> {
        self.ask(async |migrator| migrator.record(subsystem, name, progress).await)
            .map_err(|error| anyhow!("[PostgreSQL error] failed to record migration '{name}': {error}"))
    }

    /// Runs any statements; gives rows, and how many were affected.
    pub fn query(&mut self, sql: &str) -> Result<(Vec<Entity>, u64), MigrationError> {
        self.ask(async |migrator| migrator.query(sql).await)
    }

    /// Takes a lock for so many seconds.
    pub fn take_lock(&mut self, key: &str, owner: &str, seconds: f64) -> Result<bool> {
        self.ask(async |migrator| migrator.take_lock(key, owner, seconds).await)
            .map_err(|error| anyhow!("[PostgreSQL error] failed to insert cluster lock: {error}"))
    }

    /// Whether a lock is held.
    pub fn is_locked(&mut self, key: &str) -> Result<bool> {
        self.ask(async |migrator| migrator.is_locked(key).await)
            .map_err(|error| anyhow!("[PostgreSQL error] failed to read cluster lock: {error}"))
    }

    /// Gives a lock back.
    pub fn release_lock(&mut self, key: &str, owner: &str) -> Result<()> {
        self.ask(async |migrator| migrator.release_lock(key, owner).await).map_err(prefixed)
    }

    fn ask<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Migrator) -> Result<T, MigrationError>,
    ) -> Result<T, MigrationError> {
        let Connection { runtime, migrator } = self;
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
#[error("[PostgreSQL error] {0}")]
pub struct Away(String);

/// The words of an error with the database's name in front.
pub fn prefixed(error: MigrationError) -> anyhow::Error {
    match error {
        MigrationError::Away(words) => Away(words).into(),
        error => anyhow!("[PostgreSQL error] {error}"),
    }
}
