//! PostgreSQL, in the tables that Kong 3.9 has there.
//!
//! [`Settings`] are the `pg_*` properties, [`Migrator`] makes the tables and brings those of older releases up to
//! date. The store is [`Postgres`]: a [`pool`] of connections for each server, a [`session`] for each connection in
//! use, a [`table`](mod@table) with its statements for each kind of entity. Rows are read as JSON that the server
//! makes, and written as texts that it casts to the types of the columns it has: a plugin's own table may have
//! others than its schema lets expect. Plugins' own statements run on a [`SqlConnection`]. Every committed batch is announced by `NOTIFY`; [`listen`] hears those of other
//! nodes.

mod aside;
mod bulk;
mod connection;
mod listen;
mod migrator;
mod pool;
mod read;
mod session;
mod settings;
mod sql;
mod statements;
mod store;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod violation;
mod write;

pub use connection::{OpenError, Opened, open};
pub use migrator::Migrator;
pub use settings::Settings;
pub use sql::{SqlAnswer, SqlConnection};
pub use store::Postgres;
