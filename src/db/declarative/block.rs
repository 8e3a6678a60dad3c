//! One item of a top-level list with all that is listed below it, as far as it can be judged on its own.
//!
//! What an item means depends on the item and the schemas only, except for three things: whether keys are
//! unique, where references lead, and the second look of [`super::validate`]. So the reader keeps the blocks of
//! the configuration it read last ([`super::recall`]), and of a changed one it judges only the items that are
//! new; the rest is in [`super::flatten`].

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::ids::{self, Implied};
use super::kinds::{Kind, Kinds, Variant};
use super::validate::{self, Filled, FilledEntity};
use crate::db::Entity;
use crate::db::model::part_text;
use crate::schema::{AutoOptions, Context, Errors};

/// What an item of a top-level list means.
#[derive(Debug)]
pub(super) struct Block {
    /// Whether the first look accepts it; one that does not makes the second necessary for all.
    pub(super) is_accepted: bool,
    /// Its entities, those below others before these.
    pub(super) parts: Vec<Part>,
    /// Where its references led when the second look accepted it.
    pub(super) seconded: RefCell<Option<Vec<Arc<str>>>>,
}

/// An entity of a block.
#[derive(Debug)]
pub(super) struct Part {
    /// The number of its kind.
    pub(super) kind: usize,
    pub(super) place: Place,
    /// The text of its primary key.
    pub(super) id: Arc<str>,
    /// The value of its endpoint key, where no two entities share one.
    pub(super) endpoint: Option<Arc<str>>,
    pub(super) references: Vec<Reference>,
    /// The entity, with foreign keys for references once these have been followed.
    pub(super) entity: RefCell<Arc<Entity>>,
    /// Where references led when they were.
    pub(super) led_to: RefCell<Vec<Arc<str>>>,
}

/// Where an entity is listed; `None` is the place of the block, which changes with what is before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// In its list, from 1.
    pub(super) index: Option<usize>,
    /// The number of the kind of its parent, and the place of that in its own list.
    pub(super) parent: Option<(usize, Option<usize>)>,
}

/// A reference to another entity.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) field: String,
    /// The kind it points to.
    pub(super) target: String,
    /// As the document has it.
    pub(super) value: Value,
    /// What names the entity.
    pub(super) text: String,
}

impl Block {
    /// Judges an item of the list of a kind.
    ///
    /// # Errors
    /// An item that neither look can accept.
    pub(super) fn of(kinds: &Kinds, name: &str, item: &Value) -> Result<Self, Errors> {
        let nothing = Map::new();
        let written = match item {
            Value::Object(item) => item,
            Value::Array(items) if items.is_empty() => &nothing,
            _ => return Err(Errors::new()),
        };
        let judged = validate::entity(kinds, name, written, Variant::ByName);
        let is_accepted = judged.is_ok();
        let mut parts = Parts { kinds, parts: Vec::new() };
        if item.is_object() {
            let place = Place { index: None, parent: None };
            parts.add(&Listed { name, item: written, place, parent: None }, judged.ok())?;
        }
        Ok(Block { is_accepted, parts: parts.parts, seconded: RefCell::default() })
    }
}

/// An entity where it is listed.
struct Listed<'a> {
    name: &'a str,
    item: &'a Map<String, Value>,
    place: Place,
    parent: Option<Parent<'a>>,
}

/// What entities know of the one they are listed below.
struct Parent<'a> {
    /// The field that points to it.
    field: &'a str,
    /// Its primary key.
    key: &'a Entity,
    /// The same as far as the document determines it.
    determined: &'a Map<String, Value>,
}

/// The entities of a block on their way out of it.
struct Parts<'a> {
    kinds: &'a Kinds,
    parts: Vec<Part>,
}

impl Parts<'_> {
    fn add(&mut self, listed: &Listed<'_>, filled: Option<FilledEntity>) -> Result<(), Errors> {
        let Some((number, kind)) = self.kinds.numbered(listed.name) else { return Ok(()) };
        let (item, parent) = (listed.item, listed.parent.as_ref());
        let FilledEntity { mut entity, below } = match filled {
            Some(filled) => filled,
            None => fill(kind, item, parent.is_some())?,
        };
        let determined = self.determined_key(listed, kind);
        entity.extend(determined.iter().map(|(field, value)| (field.clone(), value.clone())));
        let key = kind.schema.extract_pk_values(&entity);
        self.add_below(listed, number, &key, &determined, below)?;
        let model = self.kinds.model().kind(listed.name);
        let id = model.map(|model| model.key_text(&entity)).unwrap_or_default();
        let (endpoint, references) = (endpoint(kind, &entity), references(kind, &entity));
        if let Some(parent) = parent {
            entity.insert(parent.field.to_owned(), Value::Object(parent.key.clone()));
        }
        self.parts.push(Part {
            kind: number,
            place: listed.place,
            id: id.into(),
            endpoint,
            references,
            entity: RefCell::new(Arc::new(known_fields(kind, entity))),
            led_to: RefCell::default(),
        });
        Ok(())
    }

    /// The part of the primary key that is written in the document or follows from it.
    fn determined_key(&self, listed: &Listed<'_>, kind: &Kind) -> Map<String, Value> {
        let parent = listed.parent.as_ref();
        let implied = parent.map(|parent| Implied { field: parent.field, key: parent.determined });
        let mut key = kind.schema.extract_pk_values(listed.item);
        if let Some((field, Some(text))) = ids::key_for_id(self.kinds, kind, listed.item, implied.as_ref()) {
            key.insert(field.to_owned(), Value::from(ids::id(listed.name, &text)));
        }
        key
    }

    fn add_below(
        &mut self,
        listed: &Listed<'_>,
        number: usize,
        key: &Entity,
        determined: &Map<String, Value>,
        mut filled: Filled,
    ) -> Result<(), Errors> {
        let kinds = self.kinds;
        for (name, _, field) in kinds.below(Some(listed.name)) {
            let Some(Value::Array(items)) = listed.item.get(name) else { continue };
            let mut filled = filled.remove(name).unwrap_or_default().into_iter();
            for (index, item) in items.iter().enumerate() {
                let filled = filled.next().flatten();
                let Value::Object(item) = item else { continue };
                let place = Place { index: Some(index + 1), parent: Some((number, listed.place.index)) };
                let parent = Some(Parent { field, key, determined });
                self.add(&Listed { name, item, place, parent }, filled)?;
            }
        }
        Ok(())
    }
}

fn fill(kind: &Kind, item: &Map<String, Value>, is_nested: bool) -> Result<FilledEntity, Errors> {
    let schema = kind.variant(if is_nested { Variant::Nested } else { Variant::ByName });
    let processed = schema.process_auto_fields(kind.own(item), Context::Insert, &AutoOptions::default())?;
    Ok(FilledEntity { entity: processed.data, below: Filled::new() })
}

fn references(kind: &Kind, entity: &Entity) -> Vec<Reference> {
    let given = kind.schema.foreign_fields().filter_map(|(field, foreign)| {
        let value = entity.get(field).filter(|value| !value.is_null())?;
        Some(Reference {
            field: field.to_owned(),
            target: foreign.reference.clone(),
            text: part_text(Some(value)),
            value: value.clone(),
        })
    });
    given.collect()
}

fn endpoint(kind: &Kind, entity: &Entity) -> Option<Arc<str>> {
    let field = kind.schema.endpoint_key.as_ref()?;
    kind.schema.record.fields.get(field).filter(|definition| definition.unique)?;
    let key = part_text(entity.get(field));
    (!key.is_empty()).then(|| key.into())
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
