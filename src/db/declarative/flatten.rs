//! A validated document → entities: lists below parents become lists of their own, references become
//! foreign keys.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::kinds::{Kind, Kinds, Variant};
use super::messages;
use super::validate::{Filled, FilledEntity};
use crate::db::lua_literal::{key_number, number_key};
use crate::db::model::part_text;
use crate::db::{Entities, Entity};
use crate::schema::{AutoOptions, Context, Errors};

/// Makes entities of a document that has been validated and has its ids; `filled` is what validation made of
/// them, as far as it has it.
///
/// # Errors
/// Keys that are there twice and references that lead nowhere. *Kong parity*: entities with a wrong
/// reference are named by their key, not by their place; of values of other unique fields that are there
/// twice, only the last of each kind is told.
pub(super) fn flatten(
    kinds: &Kinds,
    document: &Map<String, Value>,
    filled: Filled,
) -> Result<Entities, Errors> {
    let mut collected = Collected {
        kinds,
        by_kind: IndexMap::new(),
        by_key: HashMap::new(),
        expected: Vec::new(),
        errors: Map::new(),
    };
    collected.list_below(document, filled, None)?;
    collected.check_references();
    if !collected.errors.is_empty() {
        return Err(collected.errors.into_iter().map(|(kind, errors)| (kind, with_lists(errors))).collect());
    }
    collected.entities()
}

/// Entities on their way out of the document.
struct Collected<'a> {
    kinds: &'a Kinds,
    by_kind: IndexMap<String, IndexMap<String, Entity>>,
    /// Kind → endpoint key → text of the primary key.
    by_key: HashMap<String, HashMap<String, String>>,
    expected: Vec<Expected>,
    errors: Errors,
}

/// A reference to be found.
struct Expected {
    kind: String,
    field: String,
    reference: String,
    value: Value,
    at: String,
}

/// The parent of the entities of a list.
#[derive(Clone, Copy)]
struct Parent<'a> {
    kind: &'a str,
    index: usize,
    key: &'a Map<String, Value>,
}

impl Collected<'_> {
    /// Takes the lists out of a document or an entity; lists below their entities go first.
    fn list_below(
        &mut self,
        table: &Map<String, Value>,
        mut filled: Filled,
        parent: Option<Parent<'_>>,
    ) -> Result<(), Errors> {
        let kinds = self.kinds;
        for (name, kind, field) in kinds.below(parent.map(|parent| parent.kind)) {
            let Some(Value::Array(items)) = table.get(name) else { continue };
            let mut filled = filled.remove(name).unwrap_or_default().into_iter();
            for (index, item) in items.iter().enumerate() {
                let filled = filled.next().flatten();
                if let Value::Object(item) = item {
                    self.entity((name, kind, field), index + 1, (item, filled), parent)?;
                }
            }
        }
        Ok(())
    }

    fn entity(
        &mut self,
        (name, kind, field): (&str, &Kind, &str),
        index: usize,
        (item, filled): (&Map<String, Value>, Option<FilledEntity>),
        parent: Option<Parent<'_>>,
    ) -> Result<(), Errors> {
        let FilledEntity { mut entity, below } = match filled {
            Some(filled) => with_keys(kind, item, filled),
            None => fill(kind, item, parent.is_some()).map_err(|errors| at_place(name, index, errors))?,
        };
        let key = kind.schema.extract_pk_values(&entity);
        self.list_below(item, below, Some(Parent { kind: name, index, key: &key }))?;
        let id = self.key_text(name, &entity);
        let endpoint = self.register_endpoint_key(name, kind, index, &entity, &id);
        self.expect_references(name, kind, &entity, endpoint.unwrap_or_else(|| id.clone()));
        if let Some(parent) = parent {
            entity.insert(field.to_owned(), Value::Object(parent.key.clone()));
        }
        let entities = self.by_kind.entry(name.to_owned()).or_default();
        if entities.contains_key(&id) {
            let message = messages::not_unique(name, "primary key", &id);
            self.primary_key_error(name, index, parent, message);
        } else {
            entities.insert(id, entity);
        }
        Ok(())
    }

    fn key_text(&self, kind: &str, entity: &Entity) -> String {
        self.kinds.model().kind(kind).map(|model| model.key_text(entity)).unwrap_or_default()
    }

    /// The endpoint key if it is unique, after a check that it is.
    fn register_endpoint_key(
        &mut self,
        name: &str,
        kind: &Kind,
        index: usize,
        entity: &Entity,
        id: &str,
    ) -> Option<String> {
        let field = kind.schema.endpoint_key.as_ref()?;
        kind.schema.record.fields.get(field).filter(|definition| definition.unique)?;
        let key = part_text(entity.get(field).filter(|value| !value.is_null()));
        if key.is_empty() {
            return None;
        }
        let keys = self.by_key.entry(name.to_owned()).or_default();
        if keys.contains_key(&key) {
            let message = messages::not_unique(name, field, &key);
            insert(&mut self.errors, &[name, &number_key(index)], Value::from(message));
        } else {
            keys.insert(key.clone(), id.to_owned());
        }
        Some(key)
    }

    fn expect_references(&mut self, name: &str, kind: &Kind, entity: &Entity, at: String) {
        for (field, foreign) in kind.schema.foreign_fields() {
            let Some(value) = entity.get(field).filter(|value| !value.is_null()) else { continue };
            self.expected.push(Expected {
                kind: name.to_owned(),
                field: field.to_owned(),
                reference: foreign.reference.clone(),
                value: value.clone(),
                at: at.clone(),
            });
        }
    }

    /// An error at the entity's place, below its parent if it has one; a key that is there twice was told.
    fn primary_key_error(&mut self, name: &str, index: usize, parent: Option<Parent<'_>>, message: String) {
        let own = number_key(index);
        let told = self.errors.get(name).is_some_and(|errors| errors.get(&own).is_some());
        match parent {
            _ if told => {}
            Some(parent) => {
                let path = [parent.kind, &number_key(parent.index), name, &own];
                insert(&mut self.errors, &path, Value::from(message));
            }
            None => insert(&mut self.errors, &[name, &own], Value::from(message)),
        }
    }

    fn check_references(&mut self) {
        for expected in std::mem::take(&mut self.expected) {
            let text = part_text(Some(&expected.value));
            if self.find(&expected.reference, &text).is_some() {
                continue;
            }
            let shown = match &expected.value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let message = messages::invalid_reference(&expected.field, &shown, &expected.reference);
            let errors = self.errors.entry(expected.kind).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(errors) = errors else { continue };
            let list = errors.entry(expected.at).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::from(message));
            }
        }
    }

    /// The text of the primary key of the entity that a reference means.
    fn find<'s>(&'s self, kind: &str, text: &'s str) -> Option<&'s str> {
        if let Some(id) = self.by_key.get(kind).and_then(|keys| keys.get(text)) {
            return Some(id);
        }
        self.by_kind.get(kind)?.contains_key(text).then_some(text)
    }

    fn entities(mut self) -> Result<Entities, Errors> {
        let kinds = self.kinds;
        let resolved: Vec<_> =
            kinds.iter().map(|(name, kind)| (name, self.foreign_keys(name, kind))).collect();
        for (name, keys) in resolved {
            let Some(entities) = self.by_kind.get_mut(name) else { continue };
            for (id, field, key) in keys {
                if let Some(entity) = entities.get_mut(&id) {
                    entity.insert(field, Value::Object(key));
                }
            }
        }
        let mut errors = Map::new();
        let mut flat = Entities::new();
        for (name, entities) in self.by_kind {
            let Some(kind) = kinds.named(&name) else { continue };
            let rows = entities.into_iter().map(|(id, entity)| (id, known_fields(kind, entity))).collect();
            if let Some(error) = repeated_value(&name, kind, &rows) {
                errors.insert(name.clone(), error);
            }
            flat.insert(name, rows);
        }
        if errors.is_empty() { Ok(flat) } else { Err(errors) }
    }

    /// The foreign keys of the entities of a kind that are given as text: entity, field, key.
    fn foreign_keys(&self, name: &str, kind: &Kind) -> Vec<(String, String, Map<String, Value>)> {
        let mut keys = Vec::new();
        let Some(entities) = self.by_kind.get(name) else { return keys };
        for (field, foreign) in kind.schema.foreign_fields() {
            let Some(target) = self.kinds.model().kind(&foreign.reference) else { continue };
            for (id, entity) in entities {
                let Some(Value::String(text)) = entity.get(field) else { continue };
                let found = self.find(&foreign.reference, text);
                let found = found.and_then(|found| self.by_kind.get(&foreign.reference)?.get(found));
                if let Some(found) = found {
                    keys.push((id.clone(), field.to_owned(), target.primary_key_of(found)));
                }
            }
        }
        keys
    }
}

/// What validation filled in, with the id that the document has got since.
fn with_keys(kind: &Kind, item: &Map<String, Value>, mut filled: FilledEntity) -> FilledEntity {
    for field in &kind.schema.primary_key {
        if let Some(value) = item.get(field) {
            filled.entity.insert(field.clone(), value.clone());
        }
    }
    filled
}

fn fill(kind: &Kind, item: &Map<String, Value>, is_nested: bool) -> Result<FilledEntity, Errors> {
    let schema = kind.variant(if is_nested { Variant::Nested } else { Variant::ByName });
    let processed = schema.process_auto_fields(kind.own(item), Context::Insert, &AutoOptions::default())?;
    Ok(FilledEntity { entity: processed.data, below: Filled::new() })
}

/// The entity without what only a document may say; validation let nothing else pass.
fn known_fields(kind: &Kind, mut entity: Entity) -> Entity {
    for name in ["_ignore", "_comment"] {
        entity.shift_remove(name);
    }
    if !kind.schema.record.fields.contains_key("ttl") && entity.get("ttl").is_some_and(Value::is_null) {
        entity.shift_remove("ttl");
    }
    entity
}

/// The last value of a unique field that two entities of a kind share.
fn repeated_value(name: &str, kind: &Kind, rows: &IndexMap<String, Entity>) -> Option<Value> {
    let mut last = None;
    for (field, _) in kind.schema.unique_fields() {
        let mut seen = HashSet::with_capacity(rows.len());
        for (id, entity) in rows {
            let value = part_text(entity.get(field));
            if value.is_empty() || seen.insert(value.clone()) {
                continue;
            }
            let endpoint =
                kind.schema.endpoint_key.as_ref().and_then(|key| entity.get(key)).and_then(Value::as_str);
            let message = messages::not_unique(name, field, &value);
            last = Some(Map::from_iter([(endpoint.unwrap_or(id).to_owned(), Value::from(message))]));
        }
    }
    last.map(Value::Object)
}

/// Tables whose keys are all numbers are lists, with nulls where nothing is wrong.
fn with_lists(errors: Value) -> Value {
    let Value::Object(map) = errors else { return errors };
    let numbers: Option<Vec<usize>> = map.keys().map(|key| key_number(key)).collect();
    let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else {
        return Value::Object(map.into_iter().map(|(key, error)| (key, with_lists(error))).collect());
    };
    let mut list = vec![Value::Null; numbers.iter().copied().max().unwrap_or_default()];
    for (number, error) in numbers.into_iter().zip(map.into_iter().map(|(_, error)| error)) {
        if let Some(slot) = number.checked_sub(1).and_then(|index| list.get_mut(index)) {
            *slot = with_lists(error);
        }
    }
    Value::Array(list)
}

fn at_place(kind: &str, index: usize, errors: Errors) -> Errors {
    let mut all = Map::new();
    insert(&mut all, &[kind, &number_key(index)], Value::Object(errors));
    all
}

fn insert(errors: &mut Errors, path: &[&str], error: Value) {
    match path {
        [] => {}
        [last] => {
            errors.insert((*last).to_owned(), error);
        }
        [first, rest @ ..] => {
            let inner = errors.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, error);
            }
        }
    }
}
