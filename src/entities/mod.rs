//! The schemas of the core entities, one file each.
//!
//! A [`Registry`] holds the schemas of one thread: [`Registry::new`] makes the core ones for a router flavor,
//! plugins and vaults add their configuration as subschemas, plugins their own entities. [`Registry::sorted`]
//! gives the order in which entities can be written.
//!
//! *Kong parity*: fields, defaults, rules and messages are those of Kong 3.9.

mod ca_certificates;
mod certificates;
mod clustering_data_planes;
mod consumers;
mod filter_chains;
mod key_sets;
mod keys;
mod parameters;
mod plugins;
mod registry;
mod routes;
mod services;
mod snis;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod topological;
mod upstreams;
mod vaults;
mod workspaces;

pub use registry::{ExpressionValidator, Options, Registry, RouterFlavor, WasmFilters};
pub use topological::sort;

use crate::schema::Schema;

/// The names of the core entities, each after those it refers to.
#[rustfmt::skip] // Rows of what belongs together.
pub const CORE_ENTITIES: [&str; 17] = [
    "workspaces", "consumers", "certificates",
    "services", "routes", "snis", "upstreams", "targets",
    "plugins", "tags", "ca_certificates",
    "clustering_data_planes", "parameters", "vaults",
    "key_sets", "keys", "filter_chains",
];

/// The schema of a core entity as it is written, before [`Registry`] makes an entity's schema of it.
pub fn definition(name: &str, flavor: Option<&str>) -> Option<Schema> {
    let flavor = flavor.and_then(RouterFlavor::from_name).unwrap_or_default();
    let options = Options { flavor, ..Options::default() };
    let schema = core_schemas(&options).into_iter().find(|schema| schema.name == name)?;
    if name == "routes" {
        routes::add_subschemas(&schema, flavor).ok()?;
    }
    Some(schema)
}

/// The core schemas, each after those it refers to.
fn core_schemas(options: &Options) -> [Schema; 17] {
    [
        workspaces::schema(),
        consumers::schema(),
        certificates::schema(),
        services::schema(),
        routes::schema(options.flavor, options.expression.clone()),
        snis::schema(),
        upstreams::schema(),
        targets::schema(),
        plugins::schema(),
        tags::schema(),
        ca_certificates::schema(),
        clustering_data_planes::schema(),
        parameters::schema(),
        vaults::schema(&options.vaults),
        key_sets::schema(),
        keys::schema(),
        filter_chains::schema(options.filters.clone()),
    ]
}
