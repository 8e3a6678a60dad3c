//! Key sets: keys that belong together.

use crate::schema::typedefs::{auto_timestamp_s, tags, uuid};
use crate::schema::{Field, Schema};

/// The schema of key sets.
pub fn schema() -> Schema {
    Schema::new("key_sets", &["id"])
        .admin_api_name("key-sets")
        .dao("kong.db.dao.key_sets")
        .endpoint_key("name")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("name", Field::string().optional().unique().describe("The set's name.")),
            ("tags", tags()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
        ])
}
