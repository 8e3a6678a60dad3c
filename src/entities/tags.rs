//! Tags: which entities have which tag. Kept by the stores, never written.

use crate::schema::typedefs::{tag, uuid};
use crate::schema::{Field, Schema};

/// The schema of tags.
pub fn schema() -> Schema {
    Schema::new("tags", &["tag"]).not_exported().endpoint_key("tag").dao("kong.db.dao.tags").fields([
        ("tag", tag()),
        ("entity_name", Field::string().required().describe("The entity's collection.")),
        ("entity_id", uuid().required()),
    ])
}
