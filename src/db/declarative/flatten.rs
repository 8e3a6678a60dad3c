//! Blocks → entities: keys are unique, references become foreign keys.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::block::{Part, Reference};
use super::ids;
use super::kinds::{Kind, Kinds, Variant};
use super::messages;
use super::recall::Placed;
use super::validate;
use crate::db::lua_literal::{key_number, number_key};
use crate::db::model::part_text;
use crate::db::{Entities, Entity, Rows};
use crate::schema::Errors;

/// All entities of a document, before references have been followed.
pub(super) struct Collected<'a> {
    kinds: &'a Kinds,
    blocks: &'a [Placed],
    /// By the numbers of kinds, in the order they were first seen.
    by_kind: IndexMap<usize, IndexMap<&'a str, &'a Part, RandomState>, RandomState>,
    /// Endpoint keys: those of entities.
    by_key: HashMap<usize, HashMap<&'a str, &'a Arc<str>, RandomState>, RandomState>,
    errors: Errors,
}

impl<'a> Collected<'a> {
    /// Collects the entities of all blocks of a document.
    pub(super) fn of(kinds: &'a Kinds, blocks: &'a [Placed]) -> Self {
        let mut collected = Collected {
            kinds,
            blocks,
            by_kind: IndexMap::default(),
            by_key: HashMap::default(),
            errors: Map::new(),
        };
        for placed in blocks {
            for part in &placed.block.parts {
                collected.add(part, placed.index);
            }
        }
        collected
    }

    fn add(&mut self, part: &'a Part, block: usize) {
        if let Some(endpoint) = &part.endpoint {
            let keys = self.by_key.entry(part.kind).or_default();
            if keys.contains_key(&**endpoint) {
                self.endpoint_error(part, block, endpoint);
            } else {
                keys.insert(endpoint, &part.id);
            }
        }
        let entities = self.by_kind.entry(part.kind).or_default();
        match entities.entry(&part.id) {
            indexmap::map::Entry::Vacant(vacant) => drop(vacant.insert(part)),
            indexmap::map::Entry::Occupied(_) => self.primary_key_error(part, block),
        }
    }

    fn endpoint_error(&mut self, part: &Part, block: usize, key: &str) {
        let Some((name, kind)) = self.kinds.at(part.kind) else { return };
        let field = kind.schema.endpoint_key.as_deref().unwrap_or_default();
        let message = messages::not_unique(name, field, key);
        let index = part.place.index.unwrap_or(block);
        insert(&mut self.errors, &[name, &number_key(index)], Value::from(message));
    }

    /// An error at the entity's place, below its parent if it has one; a key that is there twice was told.
    fn primary_key_error(&mut self, part: &Part, block: usize) {
        let Some((name, _)) = self.kinds.at(part.kind) else { return };
        let message = Value::from(messages::not_unique(name, "primary key", &part.id));
        let own = number_key(part.place.index.unwrap_or(block));
        if self.errors.get(name).is_some_and(|errors| errors.get(&own).is_some()) {
            return;
        }
        match part.place.parent.and_then(|(kind, index)| Some((self.kinds.at(kind)?.0, index))) {
            Some((parent, index)) => {
                let path = [parent, &number_key(index.unwrap_or(block)), name, &own];
                insert(&mut self.errors, &path, message);
            }
            None => insert(&mut self.errors, &[name, &own], message),
        }
    }

    /// Whether the second look accepts all blocks, where the first does not accept all.
    ///
    /// What it thinks of a block depends on the block and on where its references lead.
    pub(super) fn is_accepted(&self, document: &Map<String, Value>) -> bool {
        if self.blocks.iter().all(|placed| placed.block.is_accepted) {
            return true;
        }
        self.errors.is_empty() && self.blocks.iter().all(|placed| self.is_seconded(document, placed))
    }

    fn is_seconded(&self, document: &Map<String, Value>, placed: &Placed) -> bool {
        let references = placed.block.parts.iter().flat_map(|part| &part.references);
        let Some(led_to) = self.follow_all(references) else { return false };
        if placed.block.seconded.borrow().as_ref() == Some(&led_to) {
            return true;
        }
        let accepted = self.second_look(document, placed);
        if accepted {
            placed.block.seconded.replace(Some(led_to));
        }
        accepted
    }

    fn second_look(&self, document: &Map<String, Value>, placed: &Placed) -> bool {
        let Some((name, kind)) = self.kinds.at(placed.kind) else { return false };
        let item =
            document.get(name).and_then(|items| items.get(placed.index - 1)).and_then(Value::as_object);
        let mut item = item.cloned().unwrap_or_default();
        let find = |kind: &str, text: &str| {
            let (number, _) = self.kinds.numbered(kind)?;
            self.primary_key(number, self.find(number, text)?)
        };
        ids::fill_item_for_validation(self.kinds, (name, kind), &mut item, &find);
        validate::entity(self.kinds, name, &item, Variant::Full).is_ok()
    }

    /// Makes entities of the document.
    ///
    /// # Errors
    /// Keys that are there twice and references that lead nowhere. *Kong parity*: entities with a wrong
    /// reference are named by their key, not by their place; of values of other unique fields that are there
    /// twice, only the last of each kind is told.
    pub(super) fn entities(mut self) -> Result<Entities, Errors> {
        self.check_references();
        if !self.errors.is_empty() {
            let errors = self.errors.into_iter();
            return Err(errors.map(|(kind, errors)| (kind, with_lists(errors))).collect());
        }
        for part in self.blocks.iter().flat_map(|placed| &placed.block.parts) {
            self.put_foreign_keys(part);
        }
        let mut errors = Map::new();
        let mut entities = Entities::new();
        for (number, parts) in self.by_kind {
            let Some((name, kind)) = self.kinds.at(number) else { continue };
            let row = |part: &Part| (Arc::clone(&part.id), Arc::clone(&part.entity.borrow()));
            let rows: Rows = parts.into_values().map(row).collect();
            if let Some(error) = repeated_value(name, kind, &rows) {
                errors.insert(name.to_owned(), error);
            }
            entities.insert(name.to_owned(), rows);
        }
        if errors.is_empty() { Ok(entities) } else { Err(errors) }
    }

    fn check_references(&mut self) {
        for part in self.blocks.iter().flat_map(|placed| &placed.block.parts) {
            for reference in &part.references {
                if self.follow(reference).is_none() {
                    self.reference_error(part, reference);
                }
            }
        }
    }

    fn reference_error(&mut self, part: &Part, reference: &Reference) {
        let Some((name, _)) = self.kinds.at(part.kind) else { return };
        let shown = match &reference.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let message = messages::invalid_reference(&reference.field, &shown, &reference.target);
        let errors = self.errors.entry(name).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(errors) = errors else { return };
        let at = part.endpoint.as_deref().unwrap_or(&part.id);
        let list = errors.entry(at).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(Value::from(message));
        }
    }

    /// The text of the primary key of the entity that a reference means.
    fn follow(&self, reference: &Reference) -> Option<&'a Arc<str>> {
        let (number, _) = self.kinds.numbered(&reference.target)?;
        self.find(number, &reference.text)
    }

    fn follow_all<'r>(&self, references: impl Iterator<Item = &'r Reference>) -> Option<Vec<Arc<str>>> {
        references.map(|reference| self.follow(reference).cloned()).collect()
    }

    fn find(&self, kind: usize, text: &str) -> Option<&'a Arc<str>> {
        if let Some(id) = self.by_key.get(&kind).and_then(|keys| keys.get(text)) {
            return Some(id);
        }
        self.by_kind.get(&kind)?.get(text).map(|part| &part.id)
    }

    fn primary_key(&self, kind: usize, id: &str) -> Option<Entity> {
        let model = self.kinds.model().kind(self.kinds.at(kind)?.0)?;
        let part = self.by_kind.get(&kind)?.get(id)?;
        Some(model.primary_key_of(&part.entity.borrow()))
    }

    /// Puts foreign keys in the place of references that are text, unless they are there from the last time.
    fn put_foreign_keys(&self, part: &Part) {
        let by_name = || part.references.iter().filter(|reference| reference.value.is_string());
        let Some(led_to) = self.follow_all(by_name()) else { return };
        if *part.led_to.borrow() == led_to {
            return;
        }
        let mut entity = Entity::clone(&part.entity.borrow());
        for (reference, id) in by_name().zip(&led_to) {
            let number = self.kinds.numbered(&reference.target).map(|(number, _)| number);
            if let Some(key) = number.and_then(|number| self.primary_key(number, id)) {
                entity.insert(reference.field.clone(), Value::Object(key));
            }
        }
        part.entity.replace(Arc::new(entity));
        part.led_to.replace(led_to);
    }
}

/// The last value of a unique field that two entities of a kind share; those of endpoint keys were told.
fn repeated_value(name: &str, kind: &Kind, rows: &Rows) -> Option<Value> {
    let mut last = None;
    let endpoint_key = kind.schema.endpoint_key.as_deref();
    for (field, _) in kind.schema.unique_fields().filter(|(field, _)| Some(*field) != endpoint_key) {
        let mut seen: HashSet<Cow<'_, str>, RandomState> =
            HashSet::with_capacity_and_hasher(rows.len(), RandomState::default());
        for (id, entity) in rows {
            let value = match entity.get(field) {
                Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(part_text(other)),
            };
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
