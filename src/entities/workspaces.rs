//! Workspaces: separate sets of entities on one gateway.

use crate::schema::typedefs::{auto_timestamp_s, utf8_name, uuid};
use crate::schema::{Field, Record, Schema};

use super::CORE_ENTITIES;

/// The schema of workspaces.
pub fn schema() -> Schema {
    let empty = || Field::record(Record::default());
    Schema::new("workspaces", &["id"])
        .without_admin_api()
        .cache_key(&["name"])
        .endpoint_key("name")
        .dao("kong.db.dao.workspaces")
        .fields([
            ("id", uuid()),
            ("name", utf8_name().required().not_one_of(CORE_ENTITIES)),
            ("comment", Field::string()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("meta", empty()),
            ("config", empty()),
        ])
}
