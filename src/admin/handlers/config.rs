//! `/config`: the declarative configuration, as text and as a whole.

use http::header::RETRY_AFTER;
use serde_json::{Map, Value, json};

use crate::admin::arguments;
use crate::admin::call::Call;
use crate::admin::node::{ApplyError, Loaded, Node};
use crate::admin::reply::Reply;
use crate::db::Entities;
use crate::db::declarative::document::{self, Document};
use crate::db::declarative::{ConfigError, Configuration, export};
use crate::observability::{Level, log};

/// The configuration that is served, as YAML text in a JSON member.
pub(in crate::admin) fn get(node: &dyn Node) -> Reply {
    match only_dbless(node) {
        Some(refusal) => refusal,
        None => Reply::json(200, json!({ "config": export::yaml(&node.dataset()) })),
    }
}

/// Replaces the configuration; answers with its entities.
pub(in crate::admin) async fn post(node: &dyn Node, call: &Call) -> Reply {
    if let Some(refusal) = only_dbless(node) {
        return refusal;
    }
    let mut arguments = match arguments::all(call) {
        Ok(arguments) => arguments,
        Err(refusal) => return refusal,
    };
    let flatten = arguments::is_truthy(arguments.shift_remove("flatten_errors").as_ref());
    let check_hash = arguments.shift_remove("check_hash").is_some_and(|value| arguments::text(&value) == "1");
    let (document, text) = match given_document(call, arguments) {
        Ok(given) => given,
        Err(refusal) => return refusal,
    };
    if check_hash && !document.hash.is_empty() && document.hash == node.dataset().hash() {
        return Reply::empty(304);
    }
    let configuration = match node.resolve(document) {
        Ok(configuration) => configuration,
        Err(error) if flatten => {
            return Reply::json(400, Value::Object(error.to_flattened(node.reader().model())));
        }
        Err(error) => return error.to_db_error().into(),
    };
    put_into_service(node, configuration, text).await
}

fn only_dbless(node: &dyn Node) -> Option<Reply> {
    const REFUSAL: &str = "this endpoint is only available when Kong is configured to not use a database";
    (!node.identity().is_dbless).then(|| Reply::message(400, REFUSAL))
}

/// The document of a call, with its text: the arguments themselves, the argument `config`, or the body.
fn given_document(call: &Call, arguments: Map<String, Value>) -> Result<(Document, String), Reply> {
    if arguments.contains_key("_format_version") {
        let text = Value::Object(arguments.clone()).to_string();
        return Ok((Document { table: arguments, hash: String::new() }, text));
    }
    let text = match arguments.get("config") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if call.body.is_empty() => {
            return Err(Reply::message(400, "expected a declarative configuration"));
        }
        None => String::from_utf8_lossy(&call.body).into_owned(),
    };
    match Document::read(&text, None) {
        Ok(document) => Ok((document, text)),
        Err(message) => Err(ConfigError::Text(message).to_db_error().into()),
    }
}

async fn put_into_service(node: &dyn Node, configuration: Configuration, text: String) -> Reply {
    let answer = shown(&configuration.entities);
    let hash = if configuration.hash.is_empty() { document::hash(&text) } else { configuration.hash.clone() };
    let rows = match node.reader().rows(configuration) {
        Ok(rows) => rows,
        Err(error) => return failed(&error.to_string()),
    };
    match node.apply(Loaded { rows, hash, text }).await {
        Ok(()) => Reply::json(201, answer),
        Err(ApplyError::Failed(reason)) => failed(&reason),
        Err(error @ ApplyError::Busy { retry_after }) => {
            Reply::message(429, error.to_string()).with(RETRY_AFTER, retry_after.to_string())
        }
        Err(error @ ApplyError::Timeout) => Reply::message(504, error.to_string()),
        Err(error @ ApplyError::Exiting) => Reply::message(503, error.to_string()),
    }
}

fn failed(reason: &str) -> Reply {
    log::write(Level::Error, format_args!("failed loading declarative config into cache: {reason}"));
    Reply::unexpected()
}

/// The entities by kind and key, without what belongs to workspaces.
fn shown(entities: &Entities) -> Value {
    let kinds = entities.iter().filter(|(kind, _)| *kind != "workspaces");
    let rows = kinds.map(|(kind, rows)| {
        let rows = rows.iter().map(|(key, entity)| {
            let mut entity = entity.as_ref().clone();
            entity.shift_remove("ws_id");
            (key.to_string(), Value::Object(entity))
        });
        (kind.clone(), Value::Object(rows.collect()))
    });
    Value::Object(rows.collect())
}
