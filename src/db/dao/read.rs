//! Reading: rows of the store, made entities by the schema.

use std::sync::Arc;

use serde_json::Value;

use super::{Dao, DaoOptions, Kind, storable};
use crate::db::{DbError, Entity, Page, PageRequest, Query, TagPage};
use crate::schema::{Context, Schema};

impl Dao {
    /// The entity with a primary key; other fields of `key` are not looked at.
    ///
    /// # Errors
    /// An invalid primary key, invalid options, a failed transformation.
    pub async fn select(
        &self,
        kind: &str,
        key: &Entity,
        options: &DaoOptions,
    ) -> Result<Option<Entity>, DbError> {
        let kind = self.kind(kind)?;
        let key = kind.primary_key(key)?;
        kind.check_options(options)?;
        let row = self.store.select(&kind.model.name, &key, &self.view(options)).await?;
        kind.found(row, options)
    }

    /// The entity with this value of a unique field or of the endpoint key.
    ///
    /// # Errors
    /// A value that does not fit the field, and as for [`Dao::select`].
    pub async fn select_by(
        &self,
        kind: &str,
        field: &str,
        value: &Value,
        options: &DaoOptions,
    ) -> Result<Option<Entity>, DbError> {
        let kind = self.kind(kind)?;
        kind.check_unique(field, value, options)?;
        let row = self.store.select_by(&kind.model.name, field, value, &self.view(options)).await?;
        kind.found(row, options)
    }

    /// The entity with a cache key, as [`EntityModel::cache_key_text`](crate::db::EntityModel::cache_key_text)
    /// writes it; the kind must have one of several fields.
    ///
    /// # Errors
    /// As for [`Dao::select`].
    pub async fn select_by_cache_key(
        &self,
        kind: &str,
        cache_key: &str,
        options: &DaoOptions,
    ) -> Result<Option<Entity>, DbError> {
        let kind = self.kind(kind)?;
        let row = self.store.select_by_cache_key(&kind.model.name, cache_key, &self.view(options)).await?;
        kind.found(row, options)
    }

    /// A page of all entities of a kind.
    ///
    /// # Errors
    /// An offset that is none, tags of a kind that has none, and as for [`Dao::select`].
    pub async fn page(
        &self,
        kind: &str,
        request: &PageRequest,
        options: &DaoOptions,
    ) -> Result<Page, DbError> {
        self.page_of(kind, Query { page: request.clone(), below: None }, options).await
    }

    /// A page of the entities whose foreign field `field` points to the one with a primary key.
    ///
    /// # Errors
    /// As for [`Dao::page`].
    pub async fn page_for(
        &self,
        kind: &str,
        field: &str,
        foreign_key: &Entity,
        request: &PageRequest,
        options: &DaoOptions,
    ) -> Result<Page, DbError> {
        let foreign = self.kind(kind)?.schema.record.fields.get(field).cloned();
        let foreign = foreign.ok_or_else(|| DbError::database(format!("{kind} has no field {field}")))?;
        let key = Value::Object(foreign_key.clone());
        foreign.validate(&key).map_err(|errors| DbError::invalid_primary_key(tree(errors)))?;
        let below = Some((field.to_owned(), foreign_key.clone()));
        self.page_of(kind, Query { page: request.clone(), below }, options).await
    }

    /// All entities whose foreign field points to one, in the order of their keys.
    ///
    /// # Errors
    /// As for [`Dao::page`].
    pub async fn each_for(
        &self,
        kind: &str,
        field: &str,
        foreign_key: &Entity,
        options: &DaoOptions,
    ) -> Result<Vec<Arc<Entity>>, DbError> {
        let mut request = PageRequest { size: PageRequest::MAX_SIZE, ..PageRequest::first() };
        let mut all = Vec::new();
        loop {
            let page = self.page_for(kind, field, foreign_key, &request, options).await?;
            all.extend(page.rows);
            if page.offset.is_none() {
                return Ok(all);
            }
            request.offset = page.offset;
        }
    }

    /// A page of the tags of all entities, or of the entities that have one.
    ///
    /// # Errors
    /// A tag or an offset that is none.
    pub async fn page_tags(
        &self,
        tag: Option<&str>,
        size: usize,
        offset: Option<&str>,
    ) -> Result<TagPage, DbError> {
        if let Some(tag) = tag {
            let kind = self.kind("tags")?;
            let field = kind.schema.record.fields.get("tag");
            let checked = field.map_or(Ok(()), |field| field.validate(&Value::from(tag)));
            checked.map_err(|error| DbError::invalid_unique("tag", message(&error)))?;
        }
        self.store.page_tags(tag, size, offset).await
    }

    async fn page_of(&self, kind: &str, query: Query, options: &DaoOptions) -> Result<Page, DbError> {
        let kind = self.kind(kind)?;
        kind.check_options(options)?;
        if query.page.tags.is_some() && !kind.model.has_tags {
            return Err(kind.no_tags());
        }
        let page = self.store.page(&kind.model.name, &query, &self.view(options)).await?;
        let entities = page.rows.iter().map(|row| kind.entity(row, options).map(Arc::new));
        Ok(Page { rows: entities.collect::<Result<_, _>>()?, offset: page.offset })
    }
}

impl Kind<'_> {
    /// The primary key in an entity, checked.
    pub(super) fn primary_key(&self, entity: &Entity) -> Result<Entity, DbError> {
        let key = self.schema.extract_pk_values(entity);
        self.schema.validate_primary_key(&key, false).map_err(DbError::invalid_primary_key)?;
        Ok(storable::canonical(key))
    }

    /// Whether a value may be looked up in a unique field.
    pub(super) fn check_unique(
        &self,
        field: &str,
        value: &Value,
        options: &DaoOptions,
    ) -> Result<(), DbError> {
        let Some(definition) = self.schema.record.fields.get(field) else {
            return Err(DbError::database(format!("{} has no field {field}", self.schema.name)));
        };
        let is_global = options.workspace == super::Workspace::Any && self.model.workspaceable;
        if is_global && !definition.unique_across_ws {
            return Err(DbError::invalid_unique_global(field));
        }
        if let Err(error) = self.schema.validate_field(definition, value) {
            return Err(match definition.as_foreign() {
                Some(_) => DbError::invalid_foreign_key(tree(error)),
                None => DbError::invalid_unique(field, message(&error)),
            });
        }
        self.check_options(options)
    }

    fn found(&self, row: Option<Arc<Entity>>, options: &DaoOptions) -> Result<Option<Entity>, DbError> {
        row.map(|row| self.entity(&row, options)).transpose()
    }

    /// The entity that a row is.
    pub(super) fn entity(&self, row: &Entity, options: &DaoOptions) -> Result<Entity, DbError> {
        entity(&self.schema, row, options)
    }
}

/// A row as the gateway is to be run by it: with nulls, vault references and `ws_id`.
///
/// # Errors
/// A failed transformation.
pub fn served(schema: &Schema, row: &Entity) -> Result<Entity, DbError> {
    entity(schema, row, &DaoOptions { nulls: true, show_ws_id: true, ..DaoOptions::default() })
}

fn entity(schema: &Schema, row: &Entity, options: &DaoOptions) -> Result<Entity, DbError> {
    let row = match !options.no_transform && schema.has_transformations(row) {
        true => schema.transform(row.clone(), None, Context::Select).map_err(DbError::transformation)?,
        false => row.clone(),
    };
    let processed = schema.process_auto_fields(row, Context::Select, &options.auto());
    let mut entity = processed.map_err(DbError::schema_violation)?.data;
    if schema.name == "targets" {
        super::targets::show(&mut entity);
    }
    Ok(entity)
}

/// Errors of a field as a tree.
pub(super) fn tree(errors: Value) -> Entity {
    match errors {
        Value::Object(errors) => errors,
        error => Entity::from_iter([("@entity".to_owned(), error)]),
    }
}

/// An error of a field as a text.
fn message(error: &Value) -> String {
    error.as_str().map_or_else(|| error.to_string(), str::to_owned)
}
