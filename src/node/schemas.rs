//! The schemas of this node: core entities, and those of the enabled plugins.

use super::Configuration;
use super::entities::EntitySource;
use super::worker::runner_settings;
use crate::conf::RouterFlavor;
use crate::entities::{self, Registry};
use crate::lua::Vm;
use crate::lua::plugin::load_kinds;

/// Loads all schemas in the control thread's VM.
///
/// *Errors*: a plugin that is enabled but cannot be used, with its name.
pub(super) fn load(vm: &Vm, shared: &Configuration) -> Result<EntitySource, String> {
    let kinds = load_kinds(vm, &runner_settings(shared)).map_err(|error| error.to_string())?;
    let registry = Registry::core(flavor(shared.conf.router_flavor)).map_err(|error| error.to_string())?;
    Ok(EntitySource::new(registry, kinds, &shared.conf))
}

fn flavor(flavor: RouterFlavor) -> entities::RouterFlavor {
    match flavor {
        RouterFlavor::Traditional => entities::RouterFlavor::Traditional,
        RouterFlavor::TraditionalCompatible => entities::RouterFlavor::TraditionalCompatible,
        RouterFlavor::Expressions => entities::RouterFlavor::Expressions,
    }
}
