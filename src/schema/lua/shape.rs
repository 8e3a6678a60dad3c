//! Entities as Lua code sees them: arrays that encode as arrays, sets that can be asked for a member.

use std::rc::Rc;

use mlua::{Function, Lua, Table, Value as LuaValue};
use serde_json::{Map, Value};

use super::convert::{table_to_lua, to_lua};
use crate::schema::field::{Field, Kind};
use crate::schema::record::Record;
use crate::schema::schema::Schema;

/// The Lua module that makes sets.
const SETS: &str = "kong.db.schema.sets";

/// An entity as a Lua table. *Kong parity*: `protocols.https` answers whether a set has the member.
///
/// # Errors
/// When the VM has no memory left.
pub fn entity_to_lua(lua: &Lua, schema: &Schema, entity: &Map<String, Value>) -> mlua::Result<Table> {
    let subschema: Option<Rc<Record>> = schema.subschema(entity);
    Shaper::new(lua)?.record(&schema.record, subschema.as_deref(), entity)
}

/// A record's table as a Lua table.
pub(super) fn record_to_lua(lua: &Lua, record: &Record, entity: &Map<String, Value>) -> mlua::Result<Table> {
    Shaper::new(lua)?.record(record, None, entity)
}

/// The metatable that cjson gives arrays, once cjson is loaded.
pub(super) fn array_metatable(lua: &Lua) -> mlua::Result<Option<Table>> {
    let loaded: Table = lua.globals().get::<Table>("package")?.get("loaded")?;
    match loaded.get::<LuaValue>("cjson")? {
        LuaValue::Table(cjson) => match cjson.get::<LuaValue>("array_mt")? {
            LuaValue::Table(metatable) => Ok(Some(metatable)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

struct Shaper<'a> {
    lua: &'a Lua,
    arrays: Option<Table>,
    make_set: Function,
}

impl<'a> Shaper<'a> {
    fn new(lua: &'a Lua) -> mlua::Result<Self> {
        let require: Function = lua.globals().get("require")?;
        let sets: Table = require.call(SETS)?;
        Ok(Self { lua, arrays: array_metatable(lua)?, make_set: sets.get("new")? })
    }

    fn record(
        &self,
        record: &Record,
        subschema: Option<&Record>,
        entity: &Map<String, Value>,
    ) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(0, entity.len())?;
        for (name, value) in entity {
            let shaped = match record.field(subschema, name) {
                Some(field) => self.value(field, value)?,
                None => to_lua(self.lua, value)?,
            };
            table.raw_set(to_lua(self.lua, &crate::schema::value::key_value(name))?, shaped)?;
        }
        Ok(table)
    }

    fn value(&self, field: &Field, value: &Value) -> mlua::Result<LuaValue> {
        match (&field.kind, value) {
            (Kind::Record(Some(record)), Value::Object(object)) => {
                self.record(record, None, object).map(LuaValue::Table)
            }
            (Kind::Map(_, values), Value::Object(object)) => {
                let table = table_to_lua(self.lua, &Map::new())?;
                for (key, value) in object {
                    let key = to_lua(self.lua, &crate::schema::value::key_value(key))?;
                    table.raw_set(key, self.value(values, value)?)?;
                }
                Ok(LuaValue::Table(table))
            }
            (Kind::Array(elements), Value::Array(items)) => {
                let table = self.items(elements, items)?;
                self.mark_array(&table)?;
                Ok(LuaValue::Table(table))
            }
            (Kind::Set(elements), Value::Array(items)) => {
                let table = self.items(elements, items)?;
                if items.is_empty() {
                    self.mark_array(&table)?;
                    return Ok(LuaValue::Table(table));
                }
                self.make_set.call(table)
            }
            _ => to_lua(self.lua, value),
        }
    }

    fn items(&self, elements: &Field, items: &[Value]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(items.len(), 0)?;
        for item in items {
            table.raw_push(self.value(elements, item)?)?;
        }
        Ok(table)
    }

    fn mark_array(&self, table: &Table) -> mlua::Result<()> {
        match &self.arrays {
            Some(metatable) => table.set_metatable(Some(metatable.clone())),
            None => Ok(()),
        }
    }
}
