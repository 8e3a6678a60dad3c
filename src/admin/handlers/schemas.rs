//! `/schemas`: what entities and plugin configurations look like, and checks against that.

use serde_json::{Map, Value};

use super::keys::parameter;
use super::schema_json;
use crate::admin::api::written;
use crate::admin::call::Call;
use crate::admin::endpoint::Matched;
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::db::DbError;
use crate::schema::{AutoOptions, Context};

/// The schema of an entity.
pub(in crate::admin) fn entity(node: &dyn Node, matched: &Matched<'_>) -> Reply {
    let name = parameter(matched, 0);
    match node.registry().named(&name) {
        Some(schema) => Reply::json(200, schema_json::record(&schema.record)),
        None => unknown("entity", &name),
    }
}

/// The schema of a plugin.
pub(in crate::admin) fn plugin(node: &dyn Node, matched: &Matched<'_>) -> Reply {
    subschema(node, "plugins", "plugin", &parameter(matched, 0))
}

/// The schema of a vault.
pub(in crate::admin) fn vault(node: &dyn Node, matched: &Matched<'_>) -> Reply {
    subschema(node, "vaults", "vault", &parameter(matched, 0))
}

/// The schema of a plugin's configuration.
pub(in crate::admin) fn plugin_config(node: &dyn Node, matched: &Matched<'_>) -> Reply {
    let name = parameter(matched, 0);
    let subschema = node.registry().named("plugins").and_then(|schema| schema.subschema_named(&name));
    let config =
        subschema.as_ref().and_then(|subschema| subschema.fields.get("config")?.as_record().cloned());
    match config {
        Some(config) => Reply::json(200, schema_json::record(&config)),
        None => unknown("plugin", &name),
    }
}

/// The schema of a wasm filter, of which there are none.
pub(in crate::admin) fn filter(matched: &Matched<'_>) -> Reply {
    Reply::message(404, format!("Filter '{}' not found", parameter(matched, 0)))
}

/// Checks an entity without storing it.
pub(in crate::admin) fn validate(
    node: &dyn Node,
    call: &Call,
    kind: Option<&str>,
    matched: &Matched<'_>,
) -> Reply {
    let name = kind.map_or_else(|| parameter(matched, 0), str::to_owned);
    let Some(schema) = node.registry().named(&name) else { return unknown("entity", &name) };
    let input = match written(call) {
        Ok(input) => input,
        Err(refusal) => return refusal,
    };
    let processed = schema.process_auto_fields(input, Context::Insert, &AutoOptions::default());
    match processed.and_then(|processed| schema.validate(&processed.data, true, None, None)) {
        Ok(()) => Reply::message(200, "schema validation successful"),
        Err(errors) => violation(errors),
    }
}

fn subschema(node: &dyn Node, parent: &str, noun: &str, name: &str) -> Reply {
    match node.registry().named(parent).and_then(|schema| schema.subschema_named(name)) {
        Some(subschema) => Reply::json(200, schema_json::record(&subschema)),
        None => unknown(noun, name),
    }
}

fn unknown(noun: &str, name: &str) -> Reply {
    Reply::message(404, format!("No {noun} named '{name}'"))
}

fn violation(errors: Map<String, Value>) -> Reply {
    Reply::json(400, Value::Object(DbError::schema_violation(errors).to_json()))
}
