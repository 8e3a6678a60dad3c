//! The embedded store: one SQLite file.
//!
//! Each kind of entity has a [`table`](mod@table): the entity as JSON, and beside it as columns what rows are found by
//! and what the database guards: the primary key, unique and foreign fields, the composite cache key, the workspace, the
//! end. So a field that a plugin adds needs no migration, and what is found by needs none either: [`layout`] makes
//! tables, adds columns and fills them when the store is opened. Tags, events, locks and counters have tables of their
//! own.
//!
//! There is one connection that writes and a few that read. The file is in WAL mode and synced before a write is
//! answered: what was acknowledged survives a crash, and readers wait for nobody. Other processes may use the file at
//! the same time, as the next worker process does during a reload; [`Store::notices`](crate::db::Store::notices) tells
//! when one wrote.

mod aside;
mod bulk;
mod layout;
mod read;
mod sql;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod violation;
mod write;

pub use store::Sqlite;
