//! SNIs: which certificate a TLS server name gets.

use crate::schema::typedefs::{auto_timestamp_s, tags, uuid, wildcard_host};
use crate::schema::{Field, Schema};

/// The schema of SNIs.
pub fn schema() -> Schema {
    Schema::new("snis", &["id"]).endpoint_key("name").dao("kong.db.dao.snis").workspaceable().fields([
        ("id", uuid()),
        ("name", wildcard_host().required().unique_across_ws()),
        ("created_at", auto_timestamp_s()),
        ("updated_at", auto_timestamp_s()),
        ("tags", tags()),
        ("certificate", Field::foreign("certificates").required().describe("The certificate of the name.")),
    ])
}
