//! Entities without a database: reads of the configuration that is served, refusals of writes.
//!
//! *Kong parity*: what is wrong with an entity is told before the refusal; a delete of what is not there succeeds.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Dataset;
use crate::db::off::{Write, refuse};
use crate::db::{DbError, Entity, Page, PageRequest, Place, TagPage, Tagged};
use crate::entities::Registry;
use crate::schema::{AutoOptions, Context, Schema};

/// The configuration that is served, with the schemas it was read by.
pub(in crate::admin) struct Declared<'a> {
    pub(super) dataset: Arc<Dataset>,
    pub(super) registry: &'a Registry,
}

impl Declared<'_> {
    pub(super) fn select(&self, kind: &str, place: &Place) -> Result<Option<Arc<Entity>>, DbError> {
        let (Some(collection), Some(schema)) = (self.dataset.collection(kind), self.registry.named(kind))
        else {
            return Ok(None);
        };
        let found = match place {
            Place::Key(key) => {
                schema.validate_primary_key(key, false).map_err(DbError::invalid_primary_key)?;
                collection.select(&collection.model().key_text(key))
            }
            Place::Field(name, value) => {
                if let Some(field) = schema.record.fields.get(name)
                    && let Err(error) = schema.validate_field(field, value)
                {
                    return Err(DbError::invalid_unique(name, crate::admin::arguments::text(&error)));
                }
                collection.select_by(name, &crate::admin::arguments::text(value))
            }
        };
        Ok(found.map(|entity| shown(kind, entity)))
    }

    pub(super) fn page(&self, kind: &str, request: &PageRequest) -> Result<Page, DbError> {
        let page = self.dataset.collection(kind).map(|collection| collection.page(request));
        page.unwrap_or_else(|| Ok(Page::default())).map(|page| shown_all(kind, page))
    }

    pub(super) fn page_for(
        &self,
        kind: &str,
        field: &str,
        key: &Entity,
        request: &PageRequest,
    ) -> Result<Page, DbError> {
        let Some(collection) = self.dataset.collection(kind) else { return Ok(Page::default()) };
        let parent = collection.model().foreign_field(field).map(|field| field.reference.as_str());
        let parent = parent.and_then(|parent| self.dataset.model().kind(parent));
        let key = parent.map(|parent| parent.key_text(key)).unwrap_or_default();
        collection.page_for(field, &key, request).map(|page| shown_all(kind, page))
    }

    /// The offset is the number of tags before the page.
    pub(super) fn page_tags(
        &self,
        wanted: Option<&str>,
        size: usize,
        offset: Option<&str>,
    ) -> Result<TagPage, DbError> {
        let mut rows = Vec::new();
        for collection in self.dataset.collections().filter(|collection| collection.model().has_tags) {
            for entity in collection.each() {
                let tags = entity.get("tags").and_then(Value::as_array).into_iter().flatten();
                let tags =
                    tags.filter_map(Value::as_str).filter(|tag| wanted.is_none_or(|wanted| wanted == *tag));
                rows.extend(tags.map(|tag| Tagged {
                    kind: collection.model().name.clone(),
                    id: entity.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    tag: tag.to_owned(),
                }));
            }
        }
        let skip: usize = match offset {
            None => 0,
            Some(text) => text.parse().map_err(|_| DbError::invalid_offset(text, "bad offset string"))?,
        };
        let end = skip.saturating_add(size);
        let offset = (end < rows.len()).then(|| end.to_string());
        Ok(TagPage { rows: rows.into_iter().skip(skip).take(size).collect(), offset })
    }

    pub(super) fn refuse_insert(&self, kind: &str, entity: Entity) -> DbError {
        self.check_new(kind, entity).err().unwrap_or_else(|| refuse(Write::Insert, kind, None))
    }

    pub(super) fn refuse_upsert(&self, kind: &str, place: &Place, mut entity: Entity) -> DbError {
        match place {
            Place::Key(key) => {
                let schema = self.registry.named(kind);
                let checked = schema.map_or(Ok(()), |schema| schema.validate_primary_key(key, false));
                if let Err(errors) = checked {
                    return DbError::invalid_primary_key(errors);
                }
                entity.extend(key.clone());
            }
            Place::Field(name, value) => drop(entity.insert(name.clone(), value.clone())),
        }
        self.check_new(kind, entity).err().unwrap_or_else(|| refuse(Write::Upsert, kind, field(place)))
    }

    pub(super) fn refuse_update(&self, kind: &str, place: &Place, entity: Entity) -> DbError {
        let known = match self.select(kind, place) {
            Ok(Some(known)) => known,
            Ok(None) => return place.clone().not_found(),
            Err(error) => return error,
        };
        let checked =
            self.registry.named(kind).map_or(Ok(()), |schema| check_update(&schema, entity, &known));
        checked.err().unwrap_or_else(|| refuse(Write::Update, kind, field(place)))
    }

    pub(super) fn refuse_delete(&self, kind: &str, place: &Place) -> Result<(), DbError> {
        match self.select(kind, place)? {
            Some(_) => Err(refuse(Write::Delete, kind, field(place))),
            None => Ok(()),
        }
    }

    fn check_new(&self, kind: &str, input: Entity) -> Result<(), DbError> {
        let Some(schema): Option<Rc<Schema>> = self.registry.named(kind) else { return Ok(()) };
        let processed = schema.process_auto_fields(input.clone(), Context::Insert, &AutoOptions::default());
        let processed = processed.map_err(DbError::schema_violation)?;
        schema.validate_insert(&processed.data, Some(&input)).map_err(DbError::schema_violation)
    }
}

fn check_update(schema: &Schema, body: Entity, known: &Entity) -> Result<(), DbError> {
    let processed = schema.process_auto_fields(body.clone(), Context::Update, &AutoOptions::default());
    let processed = processed.map_err(DbError::schema_violation)?;
    if processed.check_immutable_fields {
        schema.validate_immutable_fields(&processed.data, known).map_err(DbError::schema_violation)?;
    }
    let merged = schema.merge_values(&processed.data, known);
    schema.validate_update(&merged, Some(&body), Some(known)).map_err(DbError::schema_violation)
}

/// The field that a place names.
fn field(place: &Place) -> Option<&str> {
    match place {
        Place::Key(_) => None,
        Place::Field(name, _) => Some(name),
    }
}

/// An entity as the API shows it: targets with their port.
fn shown(kind: &str, entity: Arc<Entity>) -> Arc<Entity> {
    let Some(target) = entity.get("target").and_then(Value::as_str).filter(|_| kind == "targets") else {
        return entity;
    };
    let complete = with_port(target);
    let mut shown = Entity::clone(&entity);
    shown.insert("target".to_owned(), json!(complete));
    Arc::new(shown)
}

fn shown_all(kind: &str, page: Page) -> Page {
    if kind != "targets" {
        return page;
    }
    Page { rows: page.rows.into_iter().map(|row| shown(kind, row)).collect(), ..page }
}

/// A target's address with the port that is meant when it has none.
pub(in crate::admin) fn with_port(target: &str) -> String {
    const DEFAULT_PORT: u16 = 8000;
    let after_brackets = target.rsplit(']').next().unwrap_or(target);
    let is_bare_ipv6 = !target.starts_with('[') && target.matches(':').count() > 1;
    match (is_bare_ipv6, after_brackets.contains(':')) {
        (true, _) => format!("[{target}]:{DEFAULT_PORT}"),
        (false, true) => target.to_owned(),
        (false, false) => format!("{target}:{DEFAULT_PORT}"),
    }
}
