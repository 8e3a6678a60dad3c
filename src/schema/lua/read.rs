//! What a plugin's `schema.lua` and `daos.lua` return, read into the engine's form.

use mlua::{Lua, Table, Value as LuaValue};
use serde_json::{Map, Value};

use super::callbacks::Callbacks;
use super::convert::from_lua;
use crate::schema::read::Reader;
use crate::schema::{Record, Schema, SchemaError, legacy, metaschema};

/// A plugin's or vault's configuration.
#[derive(Debug)]
pub struct Configuration {
    /// The fields `config` and whatever else of the parent it refines; a subschema of `plugins` or `vaults`.
    pub record: Record,
    /// What the log should say about the form of the schema.
    pub warnings: Vec<String>,
}

/// Reads the schema of a plugin or a vault, in the new form or the one of Kong 0.x.
///
/// # Errors
/// [`SchemaError::Violation`] with the words of Kong's schema of schemas, or why it cannot be read.
pub fn read_configuration(lua: &Lua, name: &str, table: &Table) -> Result<Configuration, SchemaError> {
    let definition = definition(lua, table)?;
    let (definition, warnings) = if legacy::is_legacy(&definition) {
        legacy::convert(name, &definition)
    } else {
        (definition, Vec::new())
    };
    metaschema::validate_subschema(&object(&definition)).map_err(SchemaError::Violation)?;
    let record = Reader::new(&Callbacks::new(lua)).record(&definition)?;
    Ok(Configuration { record, warnings })
}

/// Reads the schema of an entity, as `daos.lua` lists them.
///
/// # Errors
/// [`SchemaError::Violation`] with the words of Kong's schema of schemas, or why it cannot be read.
pub fn read_entity(lua: &Lua, table: &Table) -> Result<Schema, SchemaError> {
    let definition = definition(lua, table)?;
    metaschema::validate_entity(&object(&definition)).map_err(SchemaError::Violation)?;
    Reader::new(&Callbacks::new(lua)).schema(&definition)
}

/// Reads any schema, without asking whether it has the form of one.
///
/// # Errors
/// Why it cannot be read.
pub fn read(lua: &Lua, table: &Table) -> Result<Schema, SchemaError> {
    Reader::new(&Callbacks::new(lua)).schema(&definition(lua, table)?)
}

fn definition(lua: &Lua, table: &Table) -> Result<Value, SchemaError> {
    from_lua(lua, &LuaValue::Table(table.clone()))
        .map(Option::unwrap_or_default)
        .map_err(|error| SchemaError::Definition(error.to_string()))
}

fn object(definition: &Value) -> Map<String, Value> {
    definition.as_object().cloned().unwrap_or_default()
}
