//! The schemas of entities as they apply inside a document.
//!
//! A document differs from an entity in three ways: an entity may say `_comment` and `_ignore`, it may hold
//! the entities that point to it, and it points to others by name. Hence three variants of each schema:
//! one for top-level lists, one below a parent, where the parent is implied and no foreign field may be
//! given, and the entity's own, for the second look that [`super::validate`] takes.

use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::db::{Entity, Model};
use crate::schema::{Field, Record, Schema};

/// One kind of entity.
#[derive(Debug)]
pub struct Kind {
    /// Its own schema.
    pub schema: Rc<Schema>,
    /// For top-level lists: foreign fields are text.
    pub by_name: Schema,
    /// Below a parent: foreign fields are null.
    pub nested: Schema,
    /// With foreign keys: [`Kind::schema`] with the extra attributes.
    pub full: Schema,
    /// The kinds that point to this one, with the field they do it by.
    pub children: Vec<(String, String)>,
}

/// All kinds that a document may have, parents before children.
#[derive(Debug)]
pub struct Kinds {
    kinds: IndexMap<String, Kind>,
    model: Model,
}

/// Which variant of a schema applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// An entity of a top-level list.
    ByName,
    /// An entity below its parent.
    Nested,
    /// An entity with its foreign keys in place.
    Full,
}

impl Kinds {
    /// Takes schemas, each after those it refers to; tags are no entities of a document.
    pub fn new(schemas: &[Rc<Schema>]) -> Self {
        let schemas: Vec<Rc<Schema>> =
            schemas.iter().filter(|schema| schema.name != "tags").map(Rc::clone).collect();
        let kinds = schemas.iter().map(|schema| (schema.name.clone(), Kind::new(schema, &schemas))).collect();
        Kinds { kinds, model: Model::of(schemas.iter().map(Rc::as_ref)) }
    }

    /// The kind of this name.
    pub fn named(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// The kind of this name, with its number.
    pub fn numbered(&self, name: &str) -> Option<(usize, &Kind)> {
        self.kinds.get_full(name).map(|(number, _, kind)| (number, kind))
    }

    /// The kind of this number, with its name.
    pub fn at(&self, number: usize) -> Option<(&str, &Kind)> {
        self.kinds.get_index(number).map(|(name, kind)| (name.as_str(), kind))
    }

    /// All kinds with their names, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.kinds.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// Their keys and relations.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The kinds that may be listed below `parent` (or at the top), each with the field that implies the
    /// parent.
    pub fn below<'a>(&'a self, parent: Option<&'a str>) -> Vec<(&'a str, &'a Kind, &'a str)> {
        match parent.and_then(|parent| self.kinds.get(parent)) {
            Some(kind) => {
                let child = |(name, field): &'a (String, String)| {
                    Some((name.as_str(), self.kinds.get(name)?, field.as_str()))
                };
                kind.children.iter().filter_map(child).collect()
            }
            None if parent.is_none() => self.iter().map(|(name, kind)| (name, kind, "")).collect(),
            None => Vec::new(),
        }
    }
}

impl Kind {
    fn new(schema: &Rc<Schema>, all: &[Rc<Schema>]) -> Self {
        let variant = |variant| schema.with_record(variant_of(&schema.record, variant));
        let children = all.iter().filter_map(|child| {
            let is_own_field = schema.record.fields.get(&child.name).is_some_and(|field| !field.transient);
            let fields = child.foreign_fields().filter(|(_, foreign)| foreign.reference == schema.name);
            let (field, _) = fields.last().filter(|_| !is_own_field)?;
            Some((child.name.clone(), field.to_owned()))
        });
        Kind {
            schema: Rc::clone(schema),
            by_name: variant(Variant::ByName),
            nested: variant(Variant::Nested),
            full: variant(Variant::Full),
            children: children.collect(),
        }
    }

    /// Whether entities of another kind may be listed below one of this.
    pub fn is_child(&self, kind: &str) -> bool {
        self.children.iter().any(|(child, _)| child == kind)
    }

    /// The entity without what is listed below it.
    pub fn own(&self, item: &Entity) -> Entity {
        let own = item.iter().filter(|(key, _)| !self.is_child(key));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The schema that applies.
    pub fn variant(&self, variant: Variant) -> &Schema {
        match variant {
            Variant::ByName => &self.by_name,
            Variant::Nested => &self.nested,
            Variant::Full => &self.full,
        }
    }
}

fn variant_of(record: &Record, variant: Variant) -> Record {
    let mut record = record.clone();
    for field in record.fields.values_mut().filter(|field| field.as_foreign().is_some()) {
        match variant {
            Variant::ByName => field.kind = crate::schema::Kind::String,
            Variant::Nested => {
                field.required = Some(false);
                field.default = None;
                *field = field.clone().eq(Value::Null);
            }
            Variant::Full => {}
        }
    }
    record.fields.insert("_comment".to_owned(), Field::string());
    let anything = Field::array(Field::new(crate::schema::Kind::Any));
    record.fields.insert("_ignore".to_owned(), anything);
    record
}
