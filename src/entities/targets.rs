//! Targets: the addresses behind an upstream.

use serde_json::Value;

use crate::schema::typedefs::address::Address;
use crate::schema::typedefs::{auto_timestamp_ms, tags, uuid};
use crate::schema::{Field, Schema, Verdict, text};

/// The schema of targets.
pub fn schema() -> Schema {
    Schema::new("targets", &["id"])
        .dao("kong.db.dao.targets")
        .cache_key(&["upstream", "target"])
        .endpoint_key("target")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_ms()),
            ("updated_at", auto_timestamp_ms()),
            (
                "upstream",
                Field::foreign("upstreams")
                    .required()
                    .cascade()
                    .describe("The upstream that the target belongs to."),
            ),
            (
                "target",
                Field::string()
                    .required()
                    .custom(check_target)
                    .describe("A host name or an IP address, and a port."),
            ),
            (
                "weight",
                Field::integer()
                    .default(100)
                    .between(0.0, 65_535.0)
                    .describe("The share of requests, in proportion to other targets (0-65535)."),
            ),
            ("tags", tags()),
        ])
}

fn check_target(value: &Value) -> Verdict {
    let target = value.as_str().unwrap_or_default();
    if Address::parse(target).is_ok() {
        return Ok(());
    }
    let shown = match text::invalid_utf8(target) {
        None => format!("Invalid target ('{target}'); not a valid hostname or ip address"),
        Some(_) => "Invalid target; not a valid hostname or ip address".to_owned(),
    };
    Err(Some(shown.into()))
}
