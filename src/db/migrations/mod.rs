//! Migrations: how a database gets the tables of this release.
//!
//! A [`Migration`] has two halves: `up`, after which the database serves the old and the new release, and `finish`,
//! after which only the new one. They belong to a [`Subsystem`]: the core or a plugin. [`catalogue`] and [`cassandra`]
//! list those that come with the gateway, [`SchemaState`] compares them with what a database records in `schema_meta`, under
//! Kong's names, so that both can tell what the other did.
//!
//! What runs a [`Step`] belongs to the store: `postgres::Migrator` and `cassandra::Migrator`. Who asks for it is
//! `kong migrations`.

mod cassandra;
mod catalogue;
mod config;
mod paths;
mod state;

use std::borrow::Cow;

pub use cassandra::bundled_in_cql;
pub use catalogue::bundled;
pub use config::ConfigChange;
pub use paths::migrate_path;
pub use state::{SchemaMeta, SchemaState, SubsystemMigrations};

/// The name of the gateway's own subsystem.
pub const CORE: &str = "core";

/// The migrations of the core or of a plugin, in the order in which they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Subsystem {
    /// `core`, or the plugin's name.
    pub name: Cow<'static, str>,
    /// Where Kong finds them; part of what `kong migrations status` prints.
    pub namespace: String,
    /// All of them.
    pub migrations: Vec<Migration>,
}

/// A change of the database's tables or of what they hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// Its name, which `schema_meta` records.
    pub name: Cow<'static, str>,
    /// Whether it is older than the oldest release that can be migrated from: it can be recorded with the others
    /// of its kind, but not run for itself.
    pub old: bool,
    /// The first half.
    pub up: Vec<Step>,
    /// The second half; without one the migration is done after the first.
    pub finish: Option<Vec<Step>>,
}

/// Something that a migration does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Statements: of SQL, run in one transaction, or of CQL, run one after the other.
    Sql(Cow<'static, str>),
    /// Brings the paths of routes from Kong 2's form to that of Kong 3.
    RoutePaths,
    /// Copies the rows of a table that may not be there to another one, column by column.
    CopyRows {
        /// The old table.
        from: &'static str,
        /// The new one.
        to: &'static str,
    },
    /// Leaves of the targets of an upstream that are the same the newest, and gives all their cache key.
    TargetsOnce,
    /// Gives all tables with lists a place for those that the database would not give back as they were.
    GivenLists,
    /// Changes the configurations of a plugin.
    Config(ConfigChange),
    /// Calls a function of a plugin's Lua module.
    Lua {
        /// The module.
        module: String,
        /// Which function of what it has for the database: `up_f` or `teardown`.
        function: &'static str,
    },
    /// Refuses: the second half of a core migration before the oldest release that can be migrated from.
    Refuse,
}

/// What is recorded of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Done: it has no second half.
    Executed,
    /// The first half is done.
    Pending,
    /// The second half is done, too.
    Finished,
}

/// Why a database cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database cannot be reached.
    #[error("{0}")]
    Away(String),
    /// The database failed; the words are its own.
    #[error("{0}")]
    Database(String),
    /// The database was made by a release before the oldest that can be migrated from.
    #[error(
        "the {subsystem} tables of this database are older than Kong 2.8 (migration '{migration}' was not run); \
         migrate it to Kong 2.8 with Kong's own releases first ('kong migrations up' and 'kong migrations finish')"
    )]
    TooOld {
        /// The subsystem.
        subsystem: String,
        /// The first migration that is missing.
        migration: String,
    },
    /// A migration was begun by a release before the oldest that can be migrated from.
    #[error(
        "this migration was begun by a release before Kong 2.8; finish it with that release \
         ('kong migrations finish')"
    )]
    Unfinished,
}
