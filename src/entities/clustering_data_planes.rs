//! Data planes: the nodes that a control plane has seen.

use crate::schema::typedefs::{auto_timestamp_s, capability, host, ip, semantic_version, uuid};
use crate::schema::{Field, Record, Schema, Validator};

/// How far a data plane follows its control plane.
const SYNC_STATUS: [&str; 6] = [
    "unknown",
    "normal",
    "kong_version_incompatible",
    "plugin_set_incompatible",
    "plugin_version_incompatible",
    "filter_set_incompatible",
];

/// The schema of data planes.
pub fn schema() -> Schema {
    let cert_details =
        Record::new([("expiry_timestamp", Field::number().with(Validator::Timestamp).optional())]);
    Schema::new("clustering_data_planes", &["id"])
        .not_exported()
        .without_admin_api()
        .admin_api_name("clustering/data-planes")
        .expiring()
        .fields([
            ("id", uuid().required()),
            ("last_seen", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("ip", ip().required()),
            ("config_hash", Field::string().len_eq(32)),
            ("hostname", host().required()),
            ("version", semantic_version()),
            (
                "sync_status",
                Field::string()
                    .required()
                    .one_of(SYNC_STATUS)
                    .default("unknown")
                    .describe("Whether the node takes the configuration, and why not."),
            ),
            ("labels", Field::map(Field::string(), Field::string()).describe("Free words about the node.")),
            ("cert_details", Field::record(cert_details).describe("The node's certificate.")),
            ("rpc_capabilities", Field::set(capability()).describe("What the node can do.")),
        ])
}
