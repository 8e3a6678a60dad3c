//! Ids for entities that the document gives none: the same for the same document, on every node.
//!
//! *Kong parity*: a version 5 UUID of the entity's cache key or endpoint key in the namespace of its kind,
//! which is itself one of the kind's name. An entity whose key is not complete gets a random id later. Keys that could
//! have been made up, those of credentials, count where they are given, although Kong makes random ids then: a file
//! that is imported twice changes nothing the second time.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::kinds::{Kind, Kinds};
use crate::db::Entity;
use crate::db::model::part_text;

/// The namespace of the namespaces of kinds.
const NAMESPACE: Uuid = Uuid::from_u128(0xfd02801f_0957_4a15_a55a_c8d9606f30b5);

/// The workspace of entities that name none, inside keys.
const ANY_WORKSPACE: &str = "*";

/// Gives ids to the entities of a document and of the lists below them.
pub(super) fn generate(kinds: &Kinds, document: &mut Map<String, Value>) {
    generate_below(kinds, document, None);
}

fn generate_below(kinds: &Kinds, parent: &mut Map<String, Value>, parent_kind: Option<&str>) {
    let parent_key =
        parent_kind.and_then(|name| kinds.named(name)).map(|kind| kind.schema.extract_pk_values(parent));
    for (name, kind, field) in kinds.below(parent_kind) {
        for item in parent.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(item) = item else { continue };
            let implied = parent_key.as_ref().map(|key| Implied { field, key });
            if let Some((id_field, Some(key))) = key_for_id(kinds, kind, item, implied.as_ref()) {
                item.insert(id_field.to_owned(), Value::from(id(name, &key)));
            }
            generate_below(kinds, item, Some(name));
        }
    }
}

/// The parent of an entity that is listed below it.
pub(super) struct Implied<'a> {
    /// The field that points to it.
    pub(super) field: &'a str,
    /// Its primary key.
    pub(super) key: &'a Map<String, Value>,
}

/// The id of the entity of a kind with this key.
pub fn id(kind: &str, key: &str) -> String {
    let namespace = Uuid::new_v5(&NAMESPACE, kind.as_bytes());
    Uuid::new_v5(&namespace, key.as_bytes()).to_string()
}

/// The field to fill, and the key to fill it from if there is one; `None` if nothing is to be filled.
pub(super) fn key_for_id<'a>(
    kinds: &Kinds,
    kind: &'a Kind,
    item: &Map<String, Value>,
    parent: Option<&Implied<'_>>,
) -> Option<(&'a str, Option<String>)> {
    let schema = &kind.schema;
    let [id_field] = schema.primary_key.as_slice() else { return None };
    let is_uuid = schema.record.fields.get(id_field).is_some_and(crate::schema::Field::is_uuid);
    if item.contains_key(id_field) || !is_uuid {
        return None;
    }
    if !schema.cache_key.is_empty() {
        return Some((id_field, cache_key(kind, item, parent)));
    }
    let key = schema.endpoint_key.as_ref().and_then(|field| endpoint_key(kinds, kind, field, item, parent));
    Some((id_field, key))
}

fn cache_key(kind: &Kind, item: &Map<String, Value>, parent: Option<&Implied<'_>>) -> Option<String> {
    let mut parts = vec![kind.schema.name.as_str(), workspace(item)];
    for name in &kind.schema.cache_key {
        let field = kind.schema.record.fields.get(name)?;
        match item.get(name) {
            Some(Value::String(text)) => parts.push(text),
            _ if field.auto => return None,
            Some(_) => {}
            None => match parent.filter(|parent| parent.field == name) {
                Some(parent) if parent.key.len() == 1 => parts.push(parent.key.get("id")?.as_str()?),
                Some(_) => return None,
                None if field.is_required() => return None,
                None => parts.push(""),
            },
        }
    }
    Some(parts.join(":"))
}

fn endpoint_key(
    kinds: &Kinds,
    kind: &Kind,
    endpoint: &str,
    item: &Map<String, Value>,
    parent: Option<&Implied<'_>>,
) -> Option<String> {
    let value = item.get(endpoint).filter(|value| !value.is_null())?;
    let mut key = part_text(Some(value));
    let field = kind.schema.record.fields.get(endpoint)?;
    if field.unique {
        return Some(key);
    }
    for (name, foreign) in kind.schema.foreign_fields() {
        if foreign.on_delete.as_deref() != Some("cascade") {
            continue;
        }
        match parent {
            Some(parent) => {
                for part in &kinds.named(&foreign.reference)?.schema.primary_key {
                    key = format!("{key}:{}", part_text(parent.key.get(part)));
                }
            }
            None => key = format!("{key}:{}", part_text(item.get(name))),
        }
    }
    if !field.unique_across_ws {
        key = format!("{key}:{}", workspace(item));
    }
    Some(key)
}

fn workspace(item: &Map<String, Value>) -> &str {
    item.get("ws_id").and_then(Value::as_str).unwrap_or(ANY_WORKSPACE)
}

/// Fills ids and foreign keys into a copy of the document, so that the entities' own schemas can judge it.
pub(super) fn fill_for_validation(kinds: &Kinds, document: &mut Map<String, Value>) {
    let mut known = Known::default();
    fill_below(kinds, document, None, &mut known);
    let find = |kind: &str, text: &str| known.keys.get(&(kind.to_owned(), text.to_owned())).cloned();
    resolve_below(kinds, document, None, &find);
}

/// Primary keys by kind and by the texts that references may use.
#[derive(Default)]
struct Known {
    keys: HashMap<(String, String), Map<String, Value>>,
}

fn fill_below(kinds: &Kinds, parent: &mut Map<String, Value>, parent_kind: Option<&str>, known: &mut Known) {
    let parent_key =
        parent_kind.and_then(|name| kinds.named(name)).map(|kind| kind.schema.extract_pk_values(parent));
    for (name, kind, field) in kinds.below(parent_kind) {
        for item in parent.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(item) = item else { continue };
            let implied = parent_key.as_ref().map(|key| Implied { field, key });
            fill(kinds, (name, kind), item, implied.as_ref(), known);
        }
    }
}

fn fill(
    kinds: &Kinds,
    (name, kind): (&str, &Kind),
    item: &mut Map<String, Value>,
    parent: Option<&Implied<'_>>,
    known: &mut Known,
) {
    if let Some((id_field, key)) = key_for_id(kinds, kind, item, parent) {
        let id = key.map_or_else(|| Uuid::new_v4().to_string(), |key| id(name, &key));
        item.insert(id_field.to_owned(), Value::from(id));
    }
    fill_below(kinds, item, Some(name), known);
    let key = kind.schema.extract_pk_values(item);
    for text in key_texts(kind, item) {
        known.keys.insert((name.to_owned(), text), key.clone());
    }
    if let Some(parent) = parent {
        item.entry(parent.field).or_insert_with(|| Value::Object(parent.key.clone()));
    }
}

fn key_texts(kind: &Kind, item: &Map<String, Value>) -> Vec<String> {
    let id = match kind.schema.primary_key.as_slice() {
        [field] => item.get(field).map(|value| part_text(Some(value))),
        _ => None,
    };
    let endpoint =
        kind.schema.endpoint_key.as_ref().and_then(|field| item.get(field)).and_then(Value::as_str);
    id.into_iter().chain(endpoint.map(str::to_owned)).collect()
}

/// Finds the primary key of the entity of a kind that a text names.
type Find<'a> = &'a dyn Fn(&str, &str) -> Option<Entity>;

fn resolve_below(kinds: &Kinds, parent: &mut Map<String, Value>, parent_kind: Option<&str>, find: Find<'_>) {
    for (name, kind, _) in kinds.below(parent_kind) {
        for item in parent.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(item) = item else { continue };
            resolve(kinds, (name, kind), item, find);
        }
    }
}

fn resolve(kinds: &Kinds, (name, kind): (&str, &Kind), item: &mut Map<String, Value>, find: Find<'_>) {
    for (field, foreign) in kind.schema.foreign_fields() {
        let Some(Value::String(text)) = item.get(field) else { continue };
        if let Some(key) = find(&foreign.reference, text) {
            item.insert(field.to_owned(), Value::Object(key));
        }
    }
    resolve_below(kinds, item, Some(name), find);
}

/// The same for one item of the list of a kind; `find` knows all entities of the document.
pub(super) fn fill_item_for_validation(
    kinds: &Kinds,
    (name, kind): (&str, &Kind),
    item: &mut Map<String, Value>,
    find: Find<'_>,
) {
    fill(kinds, (name, kind), item, None, &mut Known::default());
    resolve(kinds, (name, kind), item, find);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_kind_and_key_only() {
        assert_eq!(id("services", "api"), "995edec0-86bd-564e-8374-a276c5c0c8dc");
        assert_ne!(id("services", "foo"), id("routes", "foo"));
        assert_ne!(id("services", "foo"), id("services", "bar"));
    }
}
