//! What happens to an entity before it is written.

use serde_json::Value;

use super::{Dao, DaoOptions, Kind};
use crate::db::{DbError, Entity, lua_literal};
use crate::schema::{AutoOptions, Context, Schema};

impl Dao {
    /// Makes a whole entity of what was given: automatic values, foreign keys, rules, transformations.
    pub(super) async fn prepare_new(
        &self,
        kind: &Kind<'_>,
        given: &Entity,
        options: &DaoOptions,
        context: Context,
        by: Option<(&str, &Value)>,
    ) -> Result<Entity, DbError> {
        kind.check_options(options)?;
        let schema = &kind.schema;
        let processed = schema.process_auto_fields(given.clone(), context, &AutoOptions::default());
        let mut entity = processed.map_err(DbError::schema_violation)?.data;
        if let Some((field, value)) = by {
            entity.insert(field.to_owned(), value.clone());
        }
        self.resolve_foreign(schema, &mut entity).await?;
        schema.validate_insert(&entity, Some(given)).map_err(DbError::schema_violation)?;
        if context == Context::Insert {
            kind.check_key(&entity)?;
        }
        kind.storable(kind.finish(entity, given, options, context)?)
    }

    /// Lays what was given over the entity that is there.
    pub(super) async fn prepare_update(
        &self,
        kind: &Kind<'_>,
        given: &Entity,
        known: &Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let schema = &kind.schema;
        let processed = schema.process_auto_fields(given.clone(), Context::Update, &AutoOptions::default());
        let processed = processed.map_err(DbError::schema_violation)?;
        if processed.check_immutable_fields {
            schema.validate_immutable_fields(&processed.data, known).map_err(DbError::schema_violation)?;
        }
        let mut entity = schema.merge_values(&processed.data, known);
        self.resolve_foreign(schema, &mut entity).await?;
        schema.validate_update(&entity, Some(given), Some(known)).map_err(DbError::schema_violation)?;
        kind.check_key(&entity)?;
        kind.storable(kind.finish(entity, given, options, Context::Update)?)
    }

    /// Puts primary keys in the place of foreign keys that were given by a unique field.
    async fn resolve_foreign(&self, schema: &Schema, entity: &mut Entity) -> Result<(), DbError> {
        let mut errors = Entity::new();
        for (name, foreign) in schema.foreign_fields() {
            let Some(parent) = &foreign.schema else { continue };
            let Some(Value::Object(given)) = entity.get(name).filter(|value| value.is_object()) else {
                continue;
            };
            if parent.validate_primary_key(given, true).is_ok() {
                // what else is said of the other entity does not count
                let key = parent.extract_pk_values(given);
                entity.insert(name.to_owned(), Value::Object(key));
                continue;
            }
            let mut missing = Entity::new();
            match self.find_foreign(parent, given, &mut missing).await? {
                Some(key) => drop(entity.insert(name.to_owned(), Value::Object(key))),
                None if missing.is_empty() => {}
                None => drop(errors.insert(name.to_owned(), Value::Object(missing))),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(DbError::foreign_keys_unresolved(errors)) }
    }

    /// The primary key of the entity that has one of these unique values; what was asked for in vain is `missing`.
    async fn find_foreign(
        &self,
        parent: &Schema,
        given: &Entity,
        missing: &mut Entity,
    ) -> Result<Option<Entity>, DbError> {
        for (field, definition) in parent.unique_fields() {
            let Some(value) = given.get(field).filter(|value| !value.is_null()) else { continue };
            if parent.validate_field(definition, value).is_err() {
                continue;
            }
            let view = self.view(&DaoOptions::default());
            if let Some(found) = self.store.select_by(&parent.name, field, value, &view).await? {
                return Ok(Some(parent.extract_pk_values(&found)));
            }
            let asked = Value::Object(Entity::from_iter([(field.to_owned(), value.clone())]));
            let message = format!(
                "the foreign key cannot be resolved with '{}' for an existing '{}' entity",
                lua_literal::compact(&asked),
                parent.name
            );
            missing.insert(field.to_owned(), Value::from(message));
        }
        Ok(None)
    }
}

impl Kind<'_> {
    /// The last step: fields that are computed from others.
    fn finish(
        &self,
        entity: Entity,
        given: &Entity,
        options: &DaoOptions,
        context: Context,
    ) -> Result<Entity, DbError> {
        if options.no_transform || !self.schema.has_transformations(&entity) {
            return Ok(entity);
        }
        self.schema.transform(entity, Some(given), context).map_err(DbError::transformation)
    }
}
