//! Entities as they are written → rows as they are stored.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::Value;

use super::kinds::Kinds;
use crate::db::{DbError, Entities, Entity};
use crate::schema::{AutoOptions, Context, Field, Record, Schema, Shorthand};

/// The rows that differ from what was written, for the configuration stored last.
#[derive(Debug, Default)]
pub(super) struct Stored {
    transforms: bool,
    /// By the address of the entity, which is kept in place beside its row.
    rows: HashMap<*const Entity, (Arc<Entity>, Arc<Entity>), RandomState>,
}

impl Stored {
    /// Puts rows in the place of entities; those of entities that are still the same ones stay the same, too.
    ///
    /// # Errors
    /// A transformation that failed, with the kind of the entity.
    pub(super) fn store(
        &mut self,
        kinds: &Kinds,
        entities: &mut Entities,
        transforms: bool,
    ) -> Result<(), DbError> {
        let known =
            if self.transforms == transforms { std::mem::take(&mut self.rows) } else { HashMap::default() };
        self.transforms = transforms;
        for (name, entities) in entities {
            let Some(schema) = kinds.named(name).map(|kind| &kind.schema) else { continue };
            if is_stored_as_written(schema) {
                continue;
            }
            for entity in entities.values_mut() {
                let row = match known.get(&Arc::as_ptr(entity)) {
                    Some((_, row)) => Arc::clone(row),
                    None => row(schema, entity, transforms)?,
                };
                self.rows.insert(Arc::as_ptr(entity), (Arc::clone(entity), Arc::clone(&row)));
                *entity = row;
            }
        }
        Ok(())
    }
}

/// Whether that holds for all entities of a kind.
fn is_stored_as_written(schema: &Schema) -> bool {
    schema.subschema_key.is_none()
        && schema.record.transformations.is_empty()
        && !has_shorthands(&schema.record)
}

fn row(schema: &Schema, written: &Arc<Entity>, transforms: bool) -> Result<Arc<Entity>, DbError> {
    let mut entity = Arc::clone(written);
    if transforms && schema.has_transformations(&entity) {
        let given = without_nulls(&entity);
        let failed = |message: String| DbError::transformation(format!("{}: {message}", schema.name));
        let mut transformed = schema.transform(given, None, Context::Insert).map_err(failed)?;
        restore_nulls(&entity, &mut transformed);
        entity = Arc::new(transformed);
    }
    if !is_read_otherwise(schema, &entity) {
        return Ok(entity);
    }
    let options = AutoOptions { nulls: true, no_defaults: true, ..AutoOptions::default() };
    let processed = schema.process_auto_fields(Entity::clone(&entity), Context::Select, &options);
    processed.map(|processed| Arc::new(processed.data)).map_err(DbError::schema_violation)
}

/// Whether reading an entity gives fields that writing it did not: deprecated names of others.
fn is_read_otherwise(schema: &Schema, entity: &Entity) -> bool {
    has_shorthands(&schema.record)
        || schema.subschema(entity).is_some_and(|subschema| has_shorthands(&subschema))
}

fn has_shorthands(record: &Record) -> bool {
    let nested = |field: &Field| field.as_record().is_some_and(|record| has_shorthands(record));
    let is_read = |shorthand: &Shorthand| shorthand.deprecation().is_some();
    record.shorthand_fields.iter().any(is_read) || record.fields.values().any(nested)
}

fn without_nulls(entity: &Entity) -> Entity {
    let kept = entity.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(nested) => (key.clone(), Value::Object(without_nulls(nested))),
        other => (key.clone(), other.clone()),
    })
    .collect()
}

fn restore_nulls(original: &Entity, transformed: &mut Entity) {
    for (key, value) in original {
        match (value, transformed.get_mut(key)) {
            (Value::Null, None) => {
                transformed.insert(key.clone(), Value::Null);
            }
            (Value::Object(original), Some(Value::Object(nested))) => restore_nulls(original, nested),
            _ => {}
        }
    }
}
