//! The schemas that plugins and vaults written in Lua bring: their configurations and plugins' own entities.

use crate::entities::Registry;
use crate::lua::{LuaError, Vm};
use crate::schema::lua::read::{read_configuration, read_entity};
use mlua::{Table, Value};

/// Adds the configuration of each plugin, and the entities of its `daos.lua`, to the schemas of this
/// thread. [`super::load_kinds`] comes first.
///
/// What stands in a list of `daos.lua` is taken in order; the old form, a table of entities by name, too.
///
/// # Errors
/// One text with every plugin whose schemas cannot be used and why, in Kong's words.
pub fn load_schemas(vm: &Vm, plugins: &[String], registry: &Registry) -> Result<(), LuaError> {
    registry.register(vm.lua())?;
    add_schemas(vm, plugins, registry)
}

/// As [`load_schemas`], for schemas that are not those Lua code sees.
///
/// # Errors
/// As there.
pub fn add_schemas(vm: &Vm, plugins: &[String], registry: &Registry) -> Result<(), LuaError> {
    let problems: Vec<String> = plugins
        .iter()
        .filter_map(|plugin| {
            let problem = load(vm, plugin, registry).err()?;
            Some(format!("on plugin '{plugin}': {problem}"))
        })
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(LuaError::Setup(format!("error loading plugin schemas: {}", problems.join("; "))))
}

fn load(vm: &Vm, plugin: &str, registry: &Registry) -> Result<(), String> {
    let Some(Value::Table(schema)) = module(vm, plugin, "schema")? else {
        return Err(format!("no configuration schema found for plugin: {plugin}"));
    };
    let configuration = read_configuration(vm.lua(), plugin, &schema).map_err(|error| error.to_string())?;
    for warning in &configuration.warnings {
        crate::observability::log::warn!("{warning}");
    }
    registry
        .add_plugin(plugin, configuration.record)
        .map_err(|error| format!("error initializing schema for plugin: {error}"))?;
    match module(vm, plugin, "daos")? {
        None => Ok(()),
        Some(Value::Table(entities)) => load_entities(vm, plugin, &entities, registry),
        Some(_) => Err(format!("custom plugin '{plugin}' returned non-array daos definition table")),
    }
}

/// Adds the configuration of each vault that is written in Lua to the schemas of this thread.
///
/// # Errors
/// One text with every vault whose schema cannot be used and why, in Kong's words.
pub fn load_vault_schemas(vm: &Vm, vaults: &[String], registry: &Registry) -> Result<(), LuaError> {
    let scripted = vaults.iter().filter(|name| *name != "env");
    let problems: Vec<String> = scripted
        .filter_map(|name| {
            let problem = load_vault(vm, name, registry).err()?;
            Some(format!("on vault '{name}': {problem}"))
        })
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(LuaError::Setup(format!("error loading vault schemas: {}", problems.join("; "))))
}

fn load_vault(vm: &Vm, vault: &str, registry: &Registry) -> Result<(), String> {
    let name = format!("kong.vaults.{vault}");
    let (found, why) = load_module(vm, &name)?;
    if !found {
        let why = why.as_string().map(|why| why.to_string_lossy()).unwrap_or_default();
        return Err(format!("{vault} vault is enabled but not installed;\n{why}"));
    }
    let (true, Value::Table(schema)) = load_module(vm, &format!("{name}.schema"))? else {
        return Err(format!("no configuration schema found for vault: {vault}"));
    };
    let configuration = read_configuration(vm.lua(), vault, &schema).map_err(|error| error.to_string())?;
    registry
        .add_vault(vault, configuration.record)
        .map_err(|error| format!("error initializing schema for vault: {error}"))
}

fn load_entities(vm: &Vm, plugin: &str, entities: &Table, registry: &Registry) -> Result<(), String> {
    let listed = entities.raw_len() > 0 || entities.is_empty();
    let tables: Vec<Table> = if listed {
        entities.sequence_values().collect::<mlua::Result<_>>().map_err(|error| error.to_string())?
    } else {
        let pairs = entities.pairs::<Value, Table>().filter_map(Result::ok);
        pairs.map(|(_, entity)| entity).collect()
    };
    for table in tables {
        let name: String = table.get("name").unwrap_or_default();
        let wrong = |error: &dyn std::fmt::Display| {
            format!("schema of custom plugin entity '{plugin}.{name}' is invalid: {error}")
        };
        let schema = read_entity(vm.lua(), &table).map_err(|error| wrong(&error))?;
        registry.add(schema).map_err(|error| wrong(&error))?;
    }
    Ok(())
}

/// A module of a plugin; `None` when it has none of that name.
fn module(vm: &Vm, plugin: &str, part: &str) -> Result<Option<Value>, String> {
    let (found, module) = load_module(vm, &format!("kong.plugins.{plugin}.{part}"))?;
    Ok(found.then_some(module))
}

/// Whether there is a module, and what it returned or why it was not found.
fn load_module(vm: &Vm, name: &str) -> Result<(bool, Value), String> {
    let load: mlua::Function = vm
        .lua()
        .load("return require('kong.tools.module').load_module_if_exists")
        .eval()
        .map_err(|error| error.to_string())?;
    load.call(name).map_err(|error| error.to_string())
}
