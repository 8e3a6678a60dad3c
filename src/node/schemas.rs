//! The schemas of this node: core entities, and those of the enabled plugins.

use super::Configuration;
use super::entities::EntitySource;
use super::worker::runner_settings;
use crate::conf::{BUNDLED_PLUGINS, Conf, ConfValue};
use crate::entities::{Options, Registry, RouterFlavor};
use crate::lua::plugin::{RunnerSettings, load_kinds};
use crate::lua::vm::Settings as VmSettings;
use crate::lua::{Vm, sources};
use crate::observability::{Level, log};
use crate::runtime::plugin_folders;
use crate::schema::SchemaError;
use crate::schema::lua::read;
use mlua::{Lua, Table};

/// Finds a module without failing when it is not there: the module, or nil.
const FIND: &str = r#"
local name = ...
local found, module = require("kong.tools.module").load_module_if_exists(name)
return found and module or nil
"#;

/// Loads all schemas in the control thread's VM.
///
/// *Errors*: a plugin that is enabled but cannot be used, with its name.
pub(super) fn load(vm: &Vm, shared: &Configuration) -> Result<EntitySource, String> {
    let kinds = load_kinds(vm, &runner_settings(shared)).map_err(|error| error.to_string())?;
    let registry = registry(vm.lua(), &shared.conf, &shared.plugins)?;
    Ok(EntitySource::new(registry, kinds, &shared.conf))
}

/// Schemas of the core entities and of these plugins, in a VM that finds the plugins' modules.
///
/// *Errors*: a schema that is not one, with its plugin's name.
pub(super) fn registry(lua: &Lua, conf: &Conf, plugins: &[String]) -> Result<Registry, String> {
    let flavor = RouterFlavor::from_name(conf.router_flavor.as_str()).unwrap_or_default();
    let options = Options { flavor, vaults: conf.vaults.clone(), ..Options::default() };
    let registry = Registry::new(options).map_err(|error| error.to_string())?;
    registry.register(lua).map_err(|error| error.to_string())?;
    for name in plugins {
        add_plugin(lua, &registry, name)?;
    }
    Ok(registry)
}

/// The schemas that a command reads declarative files by, and the VM their functions live in.
///
/// *Errors*: as for a start.
pub fn of_command(conf: &Conf) -> Result<(Vm, Registry), String> {
    let settings = VmSettings {
        package_path: conf.lua_package_path.clone(),
        package_cpath: conf.lua_package_cpath.clone(),
        prefix: conf.prefix.clone(),
        ..VmSettings::default()
    };
    let vm = Vm::new(settings).map_err(|error| error.to_string())?;
    let runner = RunnerSettings { plugins: enabled(conf), ..RunnerSettings::default() };
    load_kinds(&vm, &runner).map_err(|error| error.to_string())?;
    let registry = registry(vm.lua(), conf, &runner.plugins)?;
    Ok((vm, registry))
}

fn add_plugin(lua: &Lua, registry: &Registry, name: &str) -> Result<(), String> {
    let unusable =
        |error: &dyn std::fmt::Display| format!("error loading plugin schemas: on plugin '{name}': {error}");
    let schema = find(lua, &format!("kong.plugins.{name}.schema")).map_err(|error| unusable(&error))?;
    let schema =
        schema.ok_or_else(|| unusable(&format_args!("no configuration schema found for plugin: {name}")))?;
    for entity in entities_of(lua, name).map_err(|error| unusable(&error))? {
        let added = read::read_entity(lua, &entity).and_then(|entity| registry.add(entity));
        added.map_err(|error| unusable(&error))?;
    }
    let configuration = read::read_configuration(lua, name, &schema).map_err(|error| unusable(&error))?;
    for warning in configuration.warnings {
        log::write(Level::Warn, format_args!("{warning}"));
    }
    registry.add_plugin(name, configuration.record).map_err(|error: SchemaError| unusable(&error))
}

/// The schemas in a plugin's `daos.lua`, in their order; none without such a file.
fn entities_of(lua: &Lua, name: &str) -> mlua::Result<Vec<Table>> {
    let Some(daos) = find(lua, &format!("kong.plugins.{name}.daos"))? else { return Ok(Vec::new()) };
    let mut entities: Vec<Table> = daos.sequence_values::<Table>().collect::<mlua::Result<_>>()?;
    if entities.is_empty() {
        // The older form: a table by name.
        entities = daos
            .pairs::<String, Table>()
            .map(|pair| pair.map(|(_, table)| table))
            .collect::<mlua::Result<_>>()?;
    }
    Ok(entities)
}

fn find(lua: &Lua, module: &str) -> mlua::Result<Option<Table>> {
    lua.load(FIND).set_name("=find").call(module)
}

/// The plugins to load: those enabled, without bundled ones that this version does not ship yet.
///
/// A plugin that kong.conf names itself stays in the list, so that its absence is an error.
pub(super) fn enabled(conf: &Conf) -> Vec<String> {
    let named: Vec<&str> = conf.value("plugins").into_iter().flat_map(ConfValue::texts).collect();
    let (kept, missing): (Vec<String>, Vec<String>) = conf.plugins.iter().cloned().partition(|name| {
        !BUNDLED_PLUGINS.contains(&name.as_str())
            || named.contains(&name.as_str())
            || sources::module(&format!("kong.plugins.{name}.handler")).is_some()
            || !plugin_folders(&conf.lua_package_path, std::slice::from_ref(name)).is_empty()
    });
    if !missing.is_empty() {
        log::write(Level::Notice, format_args!("bundled plugins not served yet: {}", missing.join(", ")));
    }
    kept
}
