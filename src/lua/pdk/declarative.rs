//! The module `kong.db.declarative.native`: declarative configurations as tables, held against the schemas of
//! core entities and of the plugins that Lua code names.

use crate::db::declarative::document::Document;
use crate::db::declarative::{ConfigError, Reader};
use crate::entities::{Options, Registry, RouterFlavor};
use crate::lua::Vm;
use crate::lua::plugin::add_schemas;
use crate::schema::Errors;
use crate::schema::lua::convert::{errors_to_lua, object_from_lua, table_to_lua};
use crate::schema::lua::entity_to_lua;
use mlua::{Lua, Table, UserData, UserDataMethods, Value};
use serde_json::Map;

/// What reads documents.
struct Documents {
    reader: Reader,
    registry: Registry,
}

type Pair = (Value, Value);

/// Makes the module known to `require`.
///
/// # Errors
/// When the VM has no memory left.
pub(super) fn register(vm: &Vm) -> mlua::Result<()> {
    let lua = vm.lua();
    let module = lua.create_table()?;
    module.set("load", lua.create_function(load)?)?;
    let package: Table = lua.globals().get("package")?;
    package.get::<Table>("loaded")?.set("kong.db.declarative.native", module)
}

/// `load(plugins, vaults, flavor)`: an object that reads documents, or nil and why not.
fn load(
    lua: &Lua,
    (plugins, vaults, flavor): (Vec<String>, Option<Vec<String>>, Option<String>),
) -> mlua::Result<Pair> {
    let flavor = flavor.as_deref().and_then(RouterFlavor::from_name).unwrap_or_default();
    let vaults = vaults.unwrap_or_else(|| Options::default().vaults);
    let loaded = Registry::new(Options { flavor, vaults, ..Options::default() })
        .map_err(|error| error.to_string())
        .and_then(|registry| {
            let vm = Vm::current().map_err(|_| "no VM".to_owned())?;
            add_schemas(&vm, &plugins, &registry).map_err(|error| error.to_string())?;
            Ok(Documents { reader: Reader::new(&registry), registry })
        });
    match loaded {
        Ok(documents) => Ok((Value::UserData(lua.create_userdata(documents)?), Value::Nil)),
        Err(error) => Ok((Value::Nil, Value::String(lua.create_string(error)?))),
    }
}

impl UserData for Documents {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("validate", |lua, this, document: Table| {
            match this.reader.check(&object_from_lua(lua, &document)?) {
                Ok(()) => Ok((Value::Boolean(true), Value::Nil)),
                Err(errors) => refusal(lua, errors),
            }
        });
        methods.add_method("process_auto_fields", |lua, this, document: Table| {
            match this.reader.complete(&object_from_lua(lua, &document)?) {
                Ok(completed) => Ok((Value::Table(table_to_lua(lua, &completed)?), Value::Nil)),
                Err(errors) => refusal(lua, errors),
            }
        });
        methods.add_method("flatten", |lua, this, document: Table| this.flatten(lua, &document));
    }
}

impl Documents {
    /// The entities of a document by kind and key, without the default workspace; or nil and what is wrong.
    fn flatten(&self, lua: &Lua, document: &Table) -> mlua::Result<Pair> {
        let document = Document { table: object_from_lua(lua, document)?, hash: String::new() };
        let named_workspaces = document.table.contains_key("workspaces");
        let configuration = match self.reader.resolve(document) {
            Ok(configuration) => configuration,
            Err(ConfigError::Document { errors, .. }) => return refusal(lua, errors),
            Err(error @ ConfigError::Text(_)) => {
                return refusal(lua, Map::from_iter([("error".to_owned(), error.to_string().into())]));
            }
        };
        let kinds = lua.create_table()?;
        for (kind, rows) in configuration.entities.iter() {
            if rows.is_empty() || kind == "workspaces" && !named_workspaces {
                continue;
            }
            let Some(schema) = self.registry.named(kind) else { continue };
            let entities = lua.create_table()?;
            for (key, entity) in rows {
                entities.set(&**key, entity_to_lua(lua, &schema, entity)?)?;
            }
            kinds.set(kind.as_str(), entities)?;
        }
        Ok((Value::Table(kinds), Value::Nil))
    }
}

fn refusal(lua: &Lua, errors: Errors) -> mlua::Result<Pair> {
    Ok((Value::Nil, errors_to_lua(lua, &serde_json::Value::Object(errors))?))
}
