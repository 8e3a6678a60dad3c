//! The model of a store: rows in memory, as simple as the rules allow.
//!
//! Tests compare databases with it, and use it where a database is not what they are about. [`tables`] has the rules;
//! nothing here is quick, and nothing outlives the process.

mod aside;
mod store;
mod tables;
#[cfg(test)]
mod tests;

pub use store::Memory;
