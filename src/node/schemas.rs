//! The schemas of this node: core entities, and those of the enabled plugins.

use super::Configuration;
use super::entities::EntitySource;
use super::script;
use super::worker::runner_settings;
use crate::conf::{BUNDLED_PLUGINS, Conf, ConfValue, Role};
use crate::entities::{Options, Registry, RouterFlavor};
use crate::lua::plugin::{RunnerSettings, load_kinds, load_schemas, load_vault_schemas};
use crate::lua::vm::Settings as VmSettings;
use crate::lua::{Vm, sources};
use crate::observability::{Level, log};
use crate::router::Flavor;
use crate::runtime::plugin_folders;
use crate::schema::environment;
use crate::snapshot;
use std::rc::Rc;

/// Loads all schemas in the control thread's VM.
///
/// *Errors*: a plugin that is enabled but cannot be used, with its name.
pub(super) fn load(vm: &Vm, shared: &Configuration) -> Result<EntitySource, String> {
    let kinds = load_kinds(vm, &runner_settings(shared)).map_err(|error| error.to_string())?;
    let registry = registry(vm, &shared.conf, &shared.plugins)?;
    Ok(EntitySource::new(registry, kinds, &shared.conf))
}

/// Schemas of the core entities and of these plugins, in a VM that finds the plugins' modules.
///
/// *Errors*: a schema that is not one, with its plugin's name.
fn registry(vm: &Vm, conf: &Conf, plugins: &[String]) -> Result<Registry, String> {
    environment::set_data_plane(conf.role == Role::DataPlane);
    environment::set_deprecation_sink(Rc::new(|deprecation| {
        log::warn!("{} (deprecated after {})", deprecation.message, deprecation.removal_in_version);
    }));
    let name = conf.router_flavor.as_str();
    let flavor = Flavor::from_name(name).unwrap_or_default();
    let options = Options {
        flavor: RouterFlavor::from_name(name).unwrap_or_default(),
        expression: Some(Rc::new(move |route| snapshot::check_route(route, flavor))),
        vaults: conf.vaults.clone(),
        ..Options::default()
    };
    let registry = Registry::new(options).map_err(|error| error.to_string())?;
    load_schemas(vm, plugins, &registry).map_err(|error| error.to_string())?;
    load_vault_schemas(vm, &conf.vaults, &registry).map_err(|error| error.to_string())?;
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
        dicts: Some(script::dicts()?),
        ..VmSettings::default()
    };
    let vm = Vm::new(settings).map_err(|error| error.to_string())?;
    let runner = RunnerSettings { plugins: enabled(conf), ..RunnerSettings::default() };
    load_kinds(&vm, &runner).map_err(|error| error.to_string())?;
    let registry = registry(&vm, conf, &runner.plugins)?;
    Ok((vm, registry))
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
            || plugin_folders(&conf.lua_package_path, std::slice::from_ref(name))
                .iter()
                .any(|folder| folder.join("handler.lua").exists())
    });
    if !missing.is_empty() {
        log::write(Level::Notice, format_args!("bundled plugins not served yet: {}", missing.join(", ")));
    }
    kept
}
