//! Cassandra, in the tables that Kong 3.3 had there.
//!
//! [`Settings`] are the `cassandra_*` properties, [`Migrator`] makes the keyspace and its tables and brings those of
//! Kong 2.8 and 3.0–3.3 up to date. The store is [`Cassandra`]: one [`session`] of the driver, which keeps connections
//! to all nodes, and a [`table`](mod@table) with its statements for each kind of entity, made from the columns that
//! the keyspace has: a plugin's own table may have others than its schema lets expect.
//!
//! There are no transactions, no constraints and no order. What takes their place:
//!
//! - A batch of changes is worked out first ([`write`](mod@write)): each change sees those before it in a
//!   [`draft`] over what was read, so that a rule that is broken by the last of them refuses all, with nothing written.
//! - Values that are unique are then [claimed](claims) by lightweight transactions: of two nodes that want the same
//!   name at once, one gets it.
//! - What is left to do is [sent](delivery) as a logged batch: once it is accepted, all of it will be done. A server
//!   takes no batch above 50 KiB, so that more than that goes row by row, many at once, parents before children and
//!   children gone before parents. Only there can a crash leave the first of them without the last.
//! - References are checked by reading. A child that is written while its parent is deleted elsewhere may be left
//!   without it; [`read::load`] leaves such rows out, so that they do no harm.
//! - Rows that end are ended by the server, by its own time to live.
//! - Empty lists are not kept by the server, and sets are sorted: what was given stands in the column `given_lists`.
//! - Pages come in the order of the hashes of keys, and their offsets are the server's paging states.

mod aside;
mod claims;
mod connection;
mod delivery;
mod draft;
mod migrator;
mod read;
mod session;
mod settings;
mod store;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod upgrade;
mod value;
mod write;

pub use migrator::Migrator;
pub use settings::Settings;
pub use store::Cassandra;
