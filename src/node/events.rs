//! What Lua code hears of changes: on the control thread it drops what caches hold of entities; in workers, plugins
//! that asked for it are told.

use crate::db::{Entity, EntityEvent, Removed, Written, dao};
use crate::entities::Registry;
use crate::lua::pdk::values;
use crate::lua::{Context, Frame, LuaError, Phase, Reference, Vm};
use crate::observability::log;
use std::ffi::c_int;

/// More changes at once than this empty the caches, rather than to be told one by one.
const MANY: usize = 1000;

/// The functions of `lua/kong/db/events.lua` in a VM.
pub(super) struct Events {
    vm: Vm,
    invalidate: Reference,
    purge: Reference,
    start: Reference,
    forget: Reference,
    tell: Reference,
}

impl Events {
    /// Of a VM that has its `kong`.
    ///
    /// *Errors*: a module that cannot be loaded: a defect of the build.
    pub(super) fn new(vm: &Vm) -> Result<Events, LuaError> {
        let module: mlua::Table = vm.lua().load("return require 'kong.db.events'").eval()?;
        let function = |name: &str| vm.reference(module.get::<mlua::Function>(name)?);
        Ok(Events {
            invalidate: function("invalidate")?,
            purge: function("purge")?,
            start: function("start")?,
            forget: function("forget")?,
            tell: function("tell")?,
            vm: vm.clone(),
        })
    }

    /// Drops what the caches of all workers hold of changed entities.
    pub(super) async fn invalidate(&self, events: &[EntityEvent]) {
        self.run(&self.invalidate, events).await;
    }

    /// Tells this VM's plugins that asked for it.
    pub(super) async fn tell(&self, events: &[EntityEvent]) {
        self.run(&self.tell, events).await;
    }

    /// Empties the caches.
    pub(super) async fn purge(&self) {
        self.call(&self.purge, |_| 0).await;
    }

    /// Drops what caches hold under these keys.
    pub(super) async fn forget(&self, keys: &[String]) {
        if keys.is_empty() {
            return;
        }
        let push = |frame: &Frame| {
            frame.push_table(keys.len(), 0);
            for (at, key) in keys.iter().enumerate() {
                frame.push_text(key);
                frame.set_index(-2, at + 1);
            }
            1
        };
        self.call(&self.forget, push).await;
    }

    /// To be called when the database is known and a snapshot is in force.
    pub(super) async fn start(&self) {
        self.call(&self.start, |_| 0).await;
    }

    async fn call(&self, function: &Reference, push: impl FnOnce(&Frame) -> c_int) {
        if let Err(error) = self.vm.call(function, Context::bare(Phase::Timer), push).await {
            log::error!("{}", error.report());
        }
    }

    async fn run(&self, function: &Reference, events: &[EntityEvent]) {
        if events.is_empty() {
            return;
        }
        let push = |frame: &Frame| {
            frame.push_table(events.len(), 0);
            for (at, event) in events.iter().enumerate() {
                push_event(frame, event);
                frame.set_index(-2, at + 1);
            }
            1
        };
        self.call(function, push).await;
    }
}

fn push_event(frame: &Frame, event: &EntityEvent) {
    frame.push_table(0, 4);
    for (name, text) in [("kind", event.kind.as_str()), ("operation", event.operation)] {
        frame.push_text(text);
        frame.set_field(-2, name);
    }
    for (name, entity) in [("entity", Some(&event.entity)), ("old_entity", event.old.as_ref())] {
        if let Some(entity) = entity
            && values::push_object(frame, entity).is_ok()
        {
            frame.set_field(-2, name);
        }
    }
}

/// Changes and what they brought with them, in Kong's order; `None` where there are too many to be told one by one.
pub(super) fn events(written: &[Written], registry: &Registry) -> Option<Vec<EntityEvent>> {
    let count: usize = written.iter().map(|change| 1 + change.cascaded.len()).sum();
    (count <= MANY).then(|| written.iter().flat_map(|change| events_of(change, registry)).collect())
}

fn events_of(change: &Written, registry: &Registry) -> Vec<EntityEvent> {
    let shown = |kind: &str, row: &Entity| {
        let schema = registry.named(kind)?;
        dao::served(&schema, row).ok()
    };
    let own = change.after.as_ref().or(change.before.as_ref()).and_then(|row| shown(&change.kind, row));
    let old = change.after.as_ref().and(change.before.as_ref()).and_then(|row| shown(&change.kind, row));
    let operation = change.operation();
    let own = own.map(|entity| EntityEvent { kind: change.kind.clone(), operation, entity, old });
    let gone = change.cascaded.iter().filter_map(|Removed { kind, entity }| {
        let entity = shown(kind, entity)?;
        Some(EntityEvent { kind: kind.clone(), operation: "delete", entity, old: None })
    });
    own.into_iter().chain(gone).collect()
}
