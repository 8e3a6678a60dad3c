//! Entities → a document of format 3.0 that reads as the same entities.

use serde_json::{Map, Value, json};

use super::yaml_writer;
use crate::db::off::Dataset;
use crate::db::{Entities, EntityModel, Model};

/// The document of a set of entities: flat lists, references by id, values as they are stored.
///
/// *Kong parity*: workspaces and kinds that are not exported are left out; `_transform` is false, so that
/// what has been hashed once is not hashed again.
pub fn document(model: &Model, entities: &Entities) -> Map<String, Value> {
    let mut document = head();
    for kind in exported(model) {
        let rows = entities.get(&kind.name).into_iter().flat_map(|rows| rows.values());
        let rows: Vec<Value> =
            rows.map(|entity| Value::Object(by_id(kind, entity.as_ref().clone()))).collect();
        if !rows.is_empty() {
            document.insert(kind.name.clone(), Value::Array(rows));
        }
    }
    document
}

/// The text of `GET /config`: the same document, in YAML.
pub fn yaml(dataset: &Dataset) -> String {
    let mut document = head();
    for kind in exported(dataset.model()) {
        let Some(collection) = dataset.collection(&kind.name) else { continue };
        let rows: Vec<Value> =
            collection.each().map(|row| Value::Object(by_id(kind, row.as_ref().clone()))).collect();
        if !rows.is_empty() {
            document.insert(kind.name.clone(), Value::Array(rows));
        }
    }
    yaml_writer::write(&document)
}

fn head() -> Map<String, Value> {
    Map::from_iter([("_format_version".to_owned(), json!("3.0")), ("_transform".to_owned(), json!(false))])
}

pub(super) fn exported(model: &Model) -> impl Iterator<Item = &EntityModel> {
    model.kinds().filter(|kind| kind.exported && kind.name != "workspaces")
}

/// The entity with ids in the places of foreign keys.
fn by_id(kind: &EntityModel, mut entity: Map<String, Value>) -> Map<String, Value> {
    for field in &kind.foreign {
        if let Some(value) = entity.get_mut(&field.name)
            && let Some(id) = value.get("id").cloned()
        {
            *value = id;
        }
    }
    entity
}
