//! Configurations of plugin instances as Lua tables.

use crate::lua::pdk::{secrets, values};
use crate::lua::{Frame, LuaError, Reference, Vm};
use crate::snapshot::{Plugin, Snapshot};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers configurations of this process: `__seq__`.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// How many tables are looked at before others may use the thread.
const AT_ONCE: usize = 256;

/// The Lua tables of configurations, by the id of their plugin instance.
///
/// *Invariant*: while an instance and the secrets it refers to stay as they are, its table stays the same one.
#[derive(Debug, Default)]
pub struct Configs {
    known: RefCell<HashMap<Arc<str>, Config>>,
}

#[derive(Debug)]
struct Config {
    entity: Arc<Map<String, Value>>,
    table: Reference,
    /// Where it has references to secrets: the values in their place, and in which generation they were looked up.
    secrets: Option<(u64, Value)>,
}

impl Config {
    /// Whether the table is right for an instance of the snapshot; vaults may have changed where the instance has
    /// not.
    fn holds(&mut self, snapshot: &Snapshot, plugin: &Plugin) -> bool {
        if !Arc::ptr_eq(&self.entity, &plugin.entity) && self.entity != plugin.entity {
            return false;
        }
        match &mut self.secrets {
            Some((generation, values)) if *generation != snapshot.generation => {
                *generation = snapshot.generation;
                *values == secrets::resolved(&plugin.config)
            }
            _ => true,
        }
    }
}

impl Configs {
    /// Pushes the table of an instance of the snapshot, making it when it is new or changed.
    ///
    /// # Errors
    /// When Lua has no memory for it.
    pub fn push(&self, vm: &Vm, frame: &Frame, snapshot: &Snapshot, plugin: &Plugin) -> Result<(), LuaError> {
        let mut known = self.known.borrow_mut();
        if let Some(config) = known.get_mut(&plugin.id)
            && config.holds(snapshot, plugin)
        {
            config.table.push(frame);
            return Ok(());
        }
        let resolved = secrets::resolved(&plugin.config);
        let table = make(vm, frame, snapshot, plugin, &resolved)?;
        table.push(frame);
        let secrets = (resolved != *plugin.config).then_some((snapshot.generation, resolved));
        known.insert(plugin.id.clone(), Config { entity: plugin.entity.clone(), table, secrets });
        Ok(())
    }

    /// Whether an instance with a table refers to secrets.
    pub fn has_secrets(&self, id: &str) -> bool {
        self.known.borrow().get(id).is_some_and(|config| config.secrets.is_some())
    }

    /// Lets go of tables that are no longer right for the snapshot: each holds the row it was made of, and with it the
    /// memory of the configuration that the row came with. Tells whether there were some.
    ///
    /// *Cost*: some 100 ns a table. Other work of the thread goes on meanwhile.
    pub async fn retain(&self, snapshot: &Snapshot) -> bool {
        let plugins = snapshot.dataset.as_ref().and_then(|dataset| dataset.collection("plugins"));
        let ids: Vec<Arc<str>> = self.known.borrow().keys().cloned().collect();
        for some in ids.chunks(AT_ONCE) {
            some.iter().for_each(|id| self.renew(id, plugins.and_then(|plugins| plugins.select(id))));
            tokio::task::yield_now().await;
        }
        self.known.borrow().len() < ids.len()
    }

    /// Keeps the table of an instance only while its row is what it was made of.
    fn renew(&self, id: &Arc<str>, row: Option<Arc<Map<String, Value>>>) {
        let mut known = self.known.borrow_mut();
        match (known.get_mut(id), row) {
            (Some(config), Some(row)) if config.entity == row => config.entity = row,
            _ => drop(known.remove(id)),
        }
    }
}

/// A new table: the configuration without nulls, and what Kong adds to it.
fn make(
    vm: &Vm,
    frame: &Frame,
    snapshot: &Snapshot,
    plugin: &Plugin,
    resolved: &Value,
) -> Result<Reference, LuaError> {
    values::push(frame, resolved).map_err(|_| LuaError::Setup("a configuration is too deep".into()))?;
    let text = |field: &str| plugin.entity.get(field).and_then(Value::as_str);
    let foreign = |field: &str| plugin.entity.get(field)?.get("id")?.as_str();
    let name = snapshot.kinds.get(plugin.kind).map_or("", |kind| &*kind.name);
    let (route, service, consumer) = (foreign("route"), foreign("service"), foreign("consumer"));
    let workspace = text("ws_id").unwrap_or(crate::db::off::DEFAULT_WORKSPACE);
    let key = format!(
        "plugins:{name}:{}:{}:{}::{workspace}",
        route.unwrap_or_default(),
        service.unwrap_or_default(),
        consumer.unwrap_or_default()
    );
    let fields = [
        ("route_id", route),
        ("service_id", service),
        ("consumer_id", consumer),
        ("plugin_instance_name", text("instance_name")),
        ("__plugin_id", Some(&*plugin.id)),
        ("__ws_id", Some(workspace)),
        ("__key__", Some(&key)),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            frame.push_text(value);
            frame.set_field(-2, field);
        }
    }
    frame.push_integer(SEQUENCE.fetch_add(1, Ordering::Relaxed) as i64 + 1);
    frame.set_field(-2, "__seq__");
    Ok(vm.reference_to_top(frame))
}
