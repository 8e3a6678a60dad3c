//! Vaults: where secrets come from.

use crate::schema::typedefs::{auto_timestamp_s, tags, uuid};
use crate::schema::{Field, Record, Schema};

/// The schema of vaults; each kind of vault has a subschema. Names of installed vaults are no prefixes.
pub fn schema(installed: &[String]) -> Schema {
    Schema::new("vaults", &["id"])
        .table_name("sm_vaults")
        .admin_api_name("vaults")
        .cache_key(&["prefix"])
        .endpoint_key("prefix")
        .workspaceable()
        .subschema_key("name", "vault '%s' is not installed")
        .dao("kong.db.dao.vaults")
        .fields([
            ("id", uuid()),
            (
                "prefix",
                Field::string()
                    .required()
                    .unique_across_ws()
                    .matches("^[a-z][a-z%d-]-[a-z%d]+$")
                    .not_one_of(installed.to_vec())
                    .describe("The unique name by which references find the vault."),
            ),
            ("name", Field::string().required().describe("The kind of vault.")),
            ("description", Field::string().describe("What the vault is for.")),
            ("config", Field::abstract_record().describe("The vault's configuration.")),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("tags", tags()),
        ])
}

/// What a vault of environment variables has: the beginning of their names.
pub fn environment() -> Record {
    let prefix =
        Field::string().matches("^[%a_-][%a%d_-]*$").describe("What the names of the variables begin with.");
    Record::new([("config", Field::record(Record::new([("prefix", prefix)])))])
}
