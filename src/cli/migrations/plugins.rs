//! Migrations that plugins bring along as Lua modules.
//!
//! *Kong parity*: `KONG_LUA_PATH_OVERRIDE` is a module path that comes before all others. A module
//! `kong.db.migrations.core` on it takes the place of the core's own migrations.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use anyhow::anyhow;
use mlua::{Function, LuaString, Table, Value};

use super::connection::Connection;
use crate::conf::{BUNDLED_PLUGINS, Conf};
use crate::db::migrations::{CORE, Migration, Step, Subsystem};
use crate::lua::plugin::RunnerSettings;
use crate::lua::vm::Settings as VmSettings;
use crate::lua::{Vm, pdk};
use crate::schema::lua::convert::table_to_lua;

/// The module of the core's migrations.
const CORE_MODULE: &str = "kong.db.migrations.core";

/// The VM that plugins' migrations run in.
pub struct Plugins {
    vm: Vm,
    module: Table,
    /// The name of the database in a migration's module.
    strategy: &'static str,
}

impl Plugins {
    /// Makes the VM, if a plugin that is enabled does not come with the gateway, or the core's migrations do not.
    pub fn of(conf: &Conf) -> anyhow::Result<Option<Plugins>> {
        if own(conf).next().is_none() && !overrides_core() {
            return Ok(None);
        }
        let settings = VmSettings {
            package_path: path_override() + &conf.lua_package_path,
            package_cpath: conf.lua_package_cpath.clone(),
            prefix: conf.prefix.clone(),
            ..VmSettings::default()
        };
        let vm = Vm::new(settings)?;
        let configuration = conf.values().map(|(name, value)| (name.to_owned(), value.into())).collect();
        pdk::install(&vm, &RunnerSettings { configuration, ..RunnerSettings::default() })?;
        let module = vm.lua().load("return require 'kong.db.migrations.plugins'").eval().map_err(told)?;
        Ok(Some(Plugins { vm, module, strategy: conf.database.as_str() }))
    }

    /// The migrations of the plugins that do not come with the gateway, and of the core if they do not either.
    ///
    /// *Errors*: a migration that cannot be loaded or is not one, with its module's name.
    pub fn subsystems(&self, conf: &Conf) -> anyhow::Result<Vec<Subsystem>> {
        let core = overrides_core().then(|| (CORE, CORE_MODULE.to_owned()));
        let plugins = own(conf).map(|plugin| (plugin.as_str(), format!("kong.plugins.{plugin}.migrations")));
        let mut found = Vec::new();
        for (name, namespace) in core.into_iter().chain(plugins) {
            found.extend(self.subsystem(name, namespace)?);
        }
        Ok(found)
    }

    fn subsystem(&self, name: &str, namespace: String) -> anyhow::Result<Option<Subsystem>> {
        let find: Function = self.module.get("find").map_err(told)?;
        let rows: Option<Vec<Table>> = find.call((name, namespace.as_str(), self.strategy)).map_err(told)?;
        let Some(rows) = rows else { return Ok(None) };
        let migrations = rows.iter().map(|row| migration(&namespace, row));
        let migrations = migrations.collect::<mlua::Result<_>>().map_err(told)?;
        Ok(Some(Subsystem { name: Cow::Owned(name.to_owned()), namespace, migrations }))
    }

    /// Calls a function of a migration's module.
    ///
    /// *Errors*: what the function raised or answered.
    pub fn call(&self, module: &str, name: &str, connection: &Rc<RefCell<Connection>>) -> anyhow::Result<()> {
        let connection = Rc::clone(connection);
        let query = self.vm.lua().create_function(move |lua, sql: LuaString| {
            let sql = String::from_utf8_lossy(&sql.as_bytes()).into_owned();
            match connection.borrow_mut().query(&sql) {
                Ok((rows, affected)) => {
                    let table = lua.create_table_with_capacity(rows.len(), 0)?;
                    for row in &rows {
                        table.raw_push(table_to_lua(lua, row)?)?;
                    }
                    Ok((Value::Table(table), Value::Number(affected as f64)))
                }
                Err(error) => Ok((Value::Nil, Value::String(lua.create_string(error.to_string())?))),
            }
        });
        let call: Function = self.module.get("call").map_err(told)?;
        let answer = call.call((module, self.strategy, name, query.map_err(told)?)).map_err(told)?;
        let failed: Option<String> = answer;
        failed.map_or(Ok(()), |error| Err(anyhow!(error)))
    }
}

/// The enabled plugins that do not come with the gateway.
fn own(conf: &Conf) -> impl Iterator<Item = &String> {
    conf.plugins.iter().filter(|name| !BUNDLED_PLUGINS.contains(&name.as_str()))
}

fn path_override() -> String {
    std::env::var("KONG_LUA_PATH_OVERRIDE").unwrap_or_default()
}

/// Whether the core's migrations are on the path that comes before all others.
fn overrides_core() -> bool {
    let module = CORE_MODULE.replace('.', "/");
    path_override().split(';').any(|place| Path::new(&place.trim().replace('?', &module)).is_file())
}

fn migration(namespace: &str, row: &Table) -> mlua::Result<Migration> {
    let (name, sql): (String, String) = (row.get(1)?, row.get(2)?);
    let (has_up, has_teardown): (bool, bool) = (row.get(3)?, row.get(4)?);
    let call = |function| Step::Lua { module: format!("{namespace}.{name}"), function };
    let mut up = Vec::new();
    if !sql.trim().is_empty() {
        up.push(Step::Sql(Cow::Owned(sql)));
    }
    if has_up {
        up.push(call("up_f"));
    }
    let finish = has_teardown.then(|| vec![call("teardown")]);
    Ok(Migration { name: Cow::Owned(name), old: false, up, finish })
}

fn told(error: mlua::Error) -> anyhow::Error {
    match error {
        mlua::Error::RuntimeError(message) => anyhow!(message),
        other => anyhow!(other.to_string()),
    }
}
