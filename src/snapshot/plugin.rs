//! Plugins at run time.

use crate::db::Entity;
use crate::phase::Phase;
use serde_json::Value;
use std::sync::Arc;

/// An installed plugin: its handler, without configuration.
#[derive(Debug, Clone)]
pub struct PluginKind {
    /// The plugin's name.
    pub name: Arc<str>,
    /// `PRIORITY` of its handler: higher runs earlier.
    pub priority: f64,
    /// `VERSION` of its handler.
    pub version: Arc<str>,
    /// [`Phase`] bits of the phases its handler has.
    pub phases: u32,
}

impl PluginKind {
    /// Whether the handler has this phase.
    pub const fn has(&self, phase: Phase) -> bool {
        self.phases & phase.bit() != 0
    }
}

/// What a plugin instance is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Index of a route.
    pub route: Option<usize>,
    /// Index of a service.
    pub service: Option<usize>,
    /// Id of a consumer.
    pub consumer: Option<Arc<str>>,
}

impl Scope {
    /// Whether the instance runs for every request.
    pub const fn is_global(&self) -> bool {
        self.route.is_none() && self.service.is_none() && self.consumer.is_none()
    }
}

/// A plugin instance: a kind with a configuration and a scope.
#[derive(Debug)]
pub struct Plugin {
    /// Primary key.
    pub id: Arc<str>,
    /// Index of its kind.
    pub kind: usize,
    /// What it is bound to.
    pub scope: Scope,
    /// Protocols it runs for.
    pub protocols: super::Protocols,
    /// Its `config`, complete with defaults.
    pub config: Arc<Value>,
    /// Its `instance_name`.
    pub instance_name: Option<Arc<str>>,
    /// The entity as stored.
    pub entity: Arc<Entity>,
}
