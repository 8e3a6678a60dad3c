//! What plugins see of the gateway.

use crate::snapshot::Published;
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
}

impl Default for RunnerSettings {
    fn default() -> Self {
        RunnerSettings {
            plugins: Vec::new(),
            configuration: Map::new(),
            node_id: uuid::Uuid::new_v4().to_string(),
            published: Arc::default(),
        }
    }
}
