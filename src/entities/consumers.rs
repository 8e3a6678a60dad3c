//! Consumers: those who use services.

use crate::schema::typedefs::{auto_timestamp_s, tags, uuid};
use crate::schema::{Check, Field, Schema};

/// The schema of consumers.
pub fn schema() -> Schema {
    Schema::new("consumers", &["id"])
        .endpoint_key("username")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            (
                "username",
                Field::string().unique().describe("The consumer's unique name; this or custom_id is needed."),
            ),
            (
                "custom_id",
                Field::string()
                    .unique()
                    .describe("The consumer's unique ID elsewhere; this or username is needed."),
            ),
            ("tags", tags()),
        ])
        .entity_check(Check::at_least_one_of(["custom_id", "username"]))
}
