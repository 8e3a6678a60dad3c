//! Plugins: their protocols must be among those of what they are bound to.

use serde_json::Value;

use super::{Dao, DaoOptions};
use crate::db::{DbError, Entity};

/// What of an update and of the plugin it changes is looked at: all three, when one of them changes.
pub(super) fn changed(given: &Entity, known: &Entity) -> Entity {
    const FIELDS: [&str; 3] = ["protocols", "service", "route"];
    if !FIELDS.iter().any(|field| given.contains_key(*field)) {
        return Entity::new();
    }
    let value = |field: &str| {
        let value = given.get(field).filter(|value| !value.is_null()).or_else(|| known.get(field));
        value.map(|value| (field.to_owned(), value.clone()))
    };
    FIELDS.into_iter().filter_map(value).collect()
}

impl Dao {
    /// Whether a plugin that names protocols has one of those of its route, or of its service's routes.
    pub(super) async fn check_protocols(&self, plugin: &Entity) -> Result<(), DbError> {
        let Some(Value::Array(protocols)) = plugin.get("protocols") else { return Ok(()) };
        let in_common = |route: &Entity| {
            let own = route.get("protocols").and_then(Value::as_array);
            own.is_none_or(|own| own.iter().any(|protocol| protocols.contains(protocol)))
        };
        if let Some(Value::Object(key)) = plugin.get("route") {
            // A key that is none is told later.
            let route = self.select("routes", key, &DaoOptions::default()).await.ok().flatten();
            return match route {
                Some(route) if !in_common(&route) => {
                    Err(mismatch("must match the associated route's protocols"))
                }
                _ => Ok(()),
            };
        }
        if let Some(Value::Object(key)) = plugin.get("service") {
            let routes = self.each_for("routes", "service", key, &DaoOptions::default()).await;
            let routes = routes.unwrap_or_default();
            if !routes.is_empty() && !routes.iter().any(|route| in_common(route)) {
                return Err(mismatch(
                    "must match the protocols of at least one route pointing to this Plugin's service",
                ));
            }
        }
        Ok(())
    }
}

fn mismatch(message: &str) -> DbError {
    DbError::schema_violation(Entity::from_iter([("protocols".to_owned(), Value::from(message))]))
}
