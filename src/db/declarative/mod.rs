//! The declarative configuration: text → entities and back.
//!
//! [`Reader`] is the way in:
//!
//! 1. [`document`]: the text by its suffix, JSON ([`json`]) or YAML 1.1 ([`yaml`], whose scalars are
//!    resolved in `scalar`), to a table of lists;
//! 2. `migration`: documents of the formats 1.1 and 2.1 to 3.0;
//! 3. `block`: each item of a top-level list on its own: `validate` holds it against the schemas, in the
//!    variants of `kinds`, and gives it `ids` that depend on the document only; items that are as they were in
//!    the configuration before are known already (`recall`);
//! 4. `flatten`: lists below parents to lists of their own, references to foreign keys.
//!
//! `complete` shows a document with the values that schemas supply.
//! `stored` makes rows of entities: secrets are transformed.
//!
//! What is wrong is a tree of errors, told by [`report`] in Kong's words and with lines (`lines`), or by
//! `flattened` as a list of entities. The way out is [`export`] with `yaml_writer`; [`diff`] says what
//! changes between two sets of entities; [`transfer`] is the way from a document to a database and back.
//!
//! *Kong parity*: what is accepted, what it means, every message, and every generated id.

mod block;
mod complete;
pub mod diff;
pub mod document;
pub mod export;
mod flatten;
mod flattened;
mod ids;
pub mod json;
mod kinds;
mod lines;
mod messages;
mod migration;
mod reader;
mod recall;
pub mod report;
mod scalar;
mod stored;
pub mod transfer;
mod validate;
pub mod yaml;
pub mod yaml_writer;

pub use reader::{ConfigError, Configuration, Reader};

#[cfg(test)]
mod lyaml_oracle;
#[cfg(test)]
mod tests;
