//! Parameters: values the cluster keeps for itself, such as its ID.

use crate::schema::typedefs::auto_timestamp_s;
use crate::schema::{Field, Schema};

/// The schema of parameters.
pub fn schema() -> Schema {
    Schema::new("parameters", &["key"]).without_admin_api().cache_key(&["key"]).fields([
        ("created_at", auto_timestamp_s()),
        ("key", Field::string().required().unique().describe("The parameter's name.")),
        ("value", Field::string().required().describe("The parameter's value.")),
    ])
}
