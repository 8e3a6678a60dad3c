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

/// The Lua tables of configurations, by the id of their plugin instance.
///
/// *Invariant*: while an instance stays as it is, its table stays the same one.
#[derive(Debug, Default)]
pub struct Configs {
    known: RefCell<HashMap<Arc<str>, Config>>,
}

#[derive(Debug)]
struct Config {
    entity: Arc<Map<String, Value>>,
    table: Reference,
}

impl Configs {
    /// Pushes the table of an instance of the snapshot, making it when it is new or changed.
    ///
    /// # Errors
    /// When Lua has no memory for it.
    pub fn push(&self, vm: &Vm, frame: &Frame, snapshot: &Snapshot, plugin: &Plugin) -> Result<(), LuaError> {
        let mut known = self.known.borrow_mut();
        if let Some(config) = known.get(&plugin.id) {
            let same = Arc::ptr_eq(&config.entity, &plugin.entity) || config.entity == plugin.entity;
            if same {
                config.table.push(frame);
                return Ok(());
            }
        }
        let table = make(vm, frame, snapshot, plugin)?;
        table.push(frame);
        known.insert(plugin.id.clone(), Config { entity: plugin.entity.clone(), table });
        Ok(())
    }

    /// Lets go of the tables of instances that the snapshot does not have.
    pub fn retain(&self, snapshot: &Snapshot) {
        let ids: std::collections::HashSet<&Arc<str>> = snapshot.plugins.iter().map(|p| &p.id).collect();
        self.known.borrow_mut().retain(|id, _| ids.contains(id));
    }
}

/// A new table: the configuration without nulls, and what Kong adds to it.
fn make(vm: &Vm, frame: &Frame, snapshot: &Snapshot, plugin: &Plugin) -> Result<Reference, LuaError> {
    values::push(frame, &secrets::resolved(&plugin.config))
        .map_err(|_| LuaError::Setup("a configuration is too deep".into()))?;
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
