//! Plugins: code that runs for requests, globally or on a route, a service or a consumer.

use serde_json::Value;

use crate::schema::typedefs::{auto_timestamp_s, protocols, tags, utf8_name, uuid};
use crate::schema::{Field, Schema};

/// The schema of plugins; each plugin's configuration is a subschema.
pub fn schema() -> Schema {
    let scope = |reference: &str, description: &str| {
        Field::foreign(reference).default(Value::Null).cascade().describe(description)
    };
    Schema::new("plugins", &["id"])
        .cache_key(&["name", "route", "service", "consumer"])
        .dao("kong.db.dao.plugins")
        .workspaceable()
        .endpoint_key("instance_name")
        .subschema_key("name", "plugin '%s' not enabled; add it to the 'plugins' configuration property")
        .fields([
            ("id", uuid()),
            ("name", Field::string().required().describe("The plugin's name.")),
            ("instance_name", utf8_name()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("route", scope("routes", "The route whose requests the plugin sees.")),
            ("service", scope("services", "The service whose requests the plugin sees.")),
            ("consumer", scope("consumers", "The consumer whose requests the plugin sees.")),
            ("config", Field::abstract_record().describe("The plugin's configuration.")),
            ("protocols", protocols()),
            ("enabled", Field::boolean().required().default(true).describe("Whether the plugin runs.")),
            ("tags", tags()),
        ])
}
