//! A VM outside a node: what `kong lua` and `kong test` run scripts in.

use super::{database, trust};
use crate::conf::{Conf, Purpose, Sources};
use crate::db::off::Dataset;
use crate::db::{Answer, Connector, Model, Store};
use crate::dns::{DnsOptions, Resolver};
use crate::entities;
use crate::lua::plugin::RunnerSettings;
use crate::lua::vm::Settings as VmSettings;
use crate::lua::{LuaError, Vm, pdk};
use crate::schema::lua::schemas;
use crate::shm::Dicts;
use crate::snapshot::{Published, Snapshot};
use crate::vaults::Vaults;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// Bytes in a mebibyte.
const MIB: usize = 1024 * 1024;

/// The shared dictionaries of a script, with their sizes in MiB: those of a node, and those that Kong's
/// own specs use. The ones of streams have the same sizes after `stream_`.
const DICTS: &[(&str, usize)] = &[
    ("kong", 5),
    ("kong_locks", 8),
    ("kong_healthchecks", 5),
    ("kong_cluster_events", 5),
    ("kong_rate_limiting_counters", 12),
    ("kong_core_db_cache", 16),
    ("kong_core_db_cache_miss", 16),
    ("kong_db_cache", 16),
    ("kong_db_cache_2", 16),
    ("kong_db_cache_miss", 12),
    ("kong_db_cache_miss_2", 12),
    ("kong_dns_cache", 5),
    ("kong_mock_upstream_loggers", 10),
    ("kong_secrets", 5),
    ("test_vault", 5),
    ("prometheus_metrics", 5),
    ("lmdb_mlcache", 1),
    ("kong_test_cp_mock", 1),
    ("stream_kong", 5),
    ("stream_kong_locks", 8),
    ("stream_kong_healthchecks", 5),
    ("stream_kong_cluster_events", 5),
    ("stream_kong_rate_limiting_counters", 12),
    ("stream_kong_core_db_cache", 16),
    ("stream_kong_core_db_cache_miss", 16),
    ("stream_kong_db_cache", 16),
    ("stream_kong_db_cache_2", 16),
    ("stream_kong_db_cache_miss", 12),
    ("stream_kong_db_cache_miss_2", 12),
    ("stream_kong_secrets", 5),
    ("stream_prometheus_metrics", 5),
];

/// Makes the VM of a script: that of a worker, with `ngx`, `kong` and the shared dictionaries, but
/// without a node around it. No plugin is loaded. `prepare` runs before the first module is.
///
/// *Errors*: memory for the dictionaries is missing, or the build is defective.
pub fn vm(conf: &Conf, prepare: impl FnOnce(&Vm) -> Result<(), LuaError>) -> Result<Vm, String> {
    let dicts = dicts()?;
    let settings = VmSettings {
        package_path: conf.lua_package_path.clone(),
        package_cpath: conf.lua_package_cpath.clone(),
        prefix: conf.prefix.clone(),
        dicts: Some(dicts),
        trusted: trust::authorities(conf),
        verify_depth: conf.lua_ssl_verify_depth as usize,
        body_memory: conf.nginx.proxy.client_body_buffer_size as usize,
        limits: super::worker::limits(conf),
        ..VmSettings::default()
    };
    let vm = Vm::new(settings).map_err(|error| error.to_string())?;
    prepare(&vm).map_err(|error| error.to_string())?;
    let runner = RunnerSettings {
        configuration: conf.values().map(|(name, value)| (name.to_owned(), Value::from(value))).collect(),
        vaults: Some(Arc::new(Vaults::of_process(conf))),
        resolver: Some(Resolver::new(DnsOptions::from_conf(conf))),
        ..RunnerSettings::default()
    };
    pdk::install(&vm, &runner).map_err(|error| error.to_string())?;
    Ok(vm)
}

/// The shared dictionaries of a command.
///
/// *Errors*: memory for them is missing.
pub(super) fn dicts() -> Result<Arc<Dicts>, String> {
    let sizes: Vec<(&str, usize)> = DICTS.iter().map(|(name, size)| (*name, size * MIB)).collect();
    Dicts::create(&sizes).map(Arc::new).map_err(|error| error.to_string())
}

/// Gives scripts the module `kong.database`: its function `open(FILE)` opens the database of a kong.conf and the
/// environment, with the kinds of entities that the VM has schemas of, and has `kong.db` ask it from then on.
///
/// *Errors*: the VM has no memory left.
pub fn offer_database(vm: &Vm) -> Result<(), LuaError> {
    let module = vm.lua().create_table()?;
    let open = |lua: &mlua::Lua, file: String| open(lua, &file).map_err(mlua::Error::runtime);
    module.set("open", vm.lua().create_function(open)?)?;
    let package: mlua::Table = vm.lua().globals().get("package")?;
    Ok(package.get::<mlua::Table>("loaded")?.set("kong.database", module)?)
}

fn open(lua: &mlua::Lua, file: &str) -> Result<(), String> {
    let sources = Sources::new(Some(Path::new(file))).purpose(Purpose::Inspect);
    let conf = Conf::load(&sources).map_err(|error| error.to_string())?;
    let sorted = entities::sort(&schemas(lua));
    let model = Arc::new(Model::of(sorted.iter().map(AsRef::as_ref)));
    let Some(opening) = database::connect(&conf, &model)? else {
        return Err("there is no database to open with database = off".to_owned());
    };
    let connector = Connector::default();
    // Nobody hears of what scripts write: nodes find out by themselves.
    drop(connector.connect(opened(opening)?));
    let published = Published::default();
    published.publish(Snapshot { dataset: Some(Arc::new(Dataset::empty(model))), ..Snapshot::default() });
    pdk::set_database(Arc::new(connector), Arc::new(published));
    Ok(())
}

/// Waits for a database on a thread of its own: the runtime of this one cannot be waited on twice.
fn opened(opening: Answer<Arc<dyn Store>>) -> Result<Arc<dyn Store>, String> {
    let wait = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        runtime.block_on(opening).map_err(|error| error.to_string())
    };
    std::thread::spawn(wait).join().unwrap_or_else(|_| Err("the database could not be opened".to_owned()))
}
