//! PostgreSQL, in the tables that Kong 3.9 has there.
//!
//! [`Settings`] are the `pg_*` properties, [`Migrator`] makes the tables and brings those of older releases up to
//! date.

mod connection;
mod migrator;
mod settings;
mod text;

pub use connection::{Opened, open};
pub use migrator::Migrator;
pub use settings::Settings;
