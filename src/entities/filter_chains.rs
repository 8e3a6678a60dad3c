//! Filter chains: WebAssembly filters of a route or a service.

use serde_json::{Value, json};

use super::WasmFilters;
use crate::schema::typedefs::{auto_timestamp_s, tags, utf8_name, uuid};
use crate::schema::{Check, Custom, EntityCheck, Field, JsonRule, Kind, Record, Schema};

/// The schema of filter chains for the filters that are installed.
pub fn schema(filters: WasmFilters) -> Schema {
    let target =
        |reference: &str| Field { unique: true, ..Field::foreign(reference).cascade().default(Value::Null) };
    let status = filters.status();
    Schema::new("filter_chains", &["id"])
        .admin_api_name("filter-chains")
        .endpoint_key("name")
        .workspaceable()
        .cache_key(&["route", "service"])
        .fields([
            ("id", uuid()),
            ("name", utf8_name()),
            ("enabled", Field::boolean().required().default(true)),
            ("route", target("routes")),
            ("service", target("services")),
            ("filters", Field::array(filter(&filters)).required().len_min(1)),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("tags", tags()),
        ])
        .entity_check(Check::mutually_exclusive(["service", "route"]))
        .entity_check(Check::at_least_one_of(["service", "route"]))
        .entity_check(Check::Custom(Custom {
            field_sources: vec!["filters".to_owned()],
            run_with_missing_fields: false,
            run_with_invalid_fields: true,
            function: EntityCheck::new(std::rc::Rc::new(move |_: &_| {
                status.map_or(Ok(()), |reason| Err(Some(reason.into())))
            })),
        }))
}

/// One filter of a chain; its configuration is what the filter's JSON schema says, or a text.
fn filter(filters: &WasmFilters) -> Field {
    let config = JsonRule {
        parent_subschema_key: Some("name".to_owned()),
        namespace: Some("proxy-wasm-filters".to_owned()),
        optional: true,
        default: Some(json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": ["string", "null"],
        })),
        inline: None,
    };
    Field::record(Record::new([
        ("name", Field::string().required().one_of(filters.names.clone()).err("no such filter")),
        ("enabled", Field::boolean().default(true).required()),
        ("config", Field::new(Kind::Json(std::rc::Rc::new(config))).optional()),
    ]))
}
