//! Schemas and a Lua VM: reading plugins' schemas, and `kong.db.schema` for Lua code.
//!
//! Values cross in [`convert`]; functions inside a schema become callbacks (`callbacks`) that call them with
//! Kong's arguments and conventions. [`read`] reads what a plugin's `schema.lua` and `daos.lua` return;
//! [`register`] makes the module `kong.db.schema.native`, over which `lua/kong/db/schema/` builds what plugins
//! `require`. [`entity_to_lua`] hands an entity to Lua with sets that can be asked `set.member`.

mod callbacks;
pub mod convert;
mod native;
pub mod read;
mod shape;
#[cfg(test)]
mod spec;

pub use native::{Definitions, register, register_definitions, schemas};
pub use shape::entity_to_lua;
