//! What plugins see of the gateway.

use crate::db::Connector;
use crate::dns::Resolver;
use crate::snapshot::Published;
use crate::vaults::Vaults;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What plugins see of the gateway beyond the request.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// Names of the enabled plugins: `plugins` of kong.conf with `bundled` spelled out.
    pub plugins: Vec<String>,
    /// `kong.configuration`: every property by its name.
    pub configuration: Map<String, Value>,
    /// `kong.node.get_id()`.
    pub node_id: String,
    /// Where code that runs for no request finds entities.
    pub published: Arc<Published>,
    /// The way to the database; without one, what is published has all entities there are.
    pub connector: Option<Arc<Connector>>,
    /// Where `{vault://…}` references are looked up.
    pub vaults: Option<Arc<Vaults>>,
    /// Finds addresses, for `kong.dns` and sockets; without it sockets ask the system.
    pub resolver: Option<Resolver>,
    /// Reads the process's counters: `kong.nginx.get_statistics()`.
    pub statistics: Option<fn() -> Statistics>,
}

/// Counters of a worker process, as `kong.nginx.get_statistics()` tells them.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // the fields are nginx's names
pub struct Statistics {
    pub active: u64,
    pub reading: u64,
    pub writing: u64,
    pub waiting: u64,
    pub accepted: u64,
    pub handled: u64,
    pub requests: u64,
}

impl Statistics {
    /// Each counter with its name in Lua.
    pub fn fields(self) -> [(&'static str, u64); 7] {
        [
            ("connections_active", self.active),
            ("connections_reading", self.reading),
            ("connections_writing", self.writing),
            ("connections_waiting", self.waiting),
            ("connections_accepted", self.accepted),
            ("connections_handled", self.handled),
            ("total_requests", self.requests),
        ]
    }
}

impl Default for RunnerSettings {
    fn default() -> Self {
        RunnerSettings {
            plugins: Vec::new(),
            configuration: Map::new(),
            node_id: uuid::Uuid::new_v4().to_string(),
            published: Arc::default(),
            connector: None,
            vaults: None,
            resolver: None,
            statistics: None,
        }
    }
}
