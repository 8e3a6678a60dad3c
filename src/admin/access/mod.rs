//! The entities that endpoints are about: those of a database, or those of the declarative configuration.
//!
//! With a database every call asks the [`Dao`]; without one, reads answer from the configuration that is served and
//! writes are refused ([`Declared`]), once it is clear that nothing else is wrong with them.

mod declared;

pub(super) use self::declared::with_port;

use std::sync::Arc;

use serde_json::Value;

use self::declared::Declared;
use super::endpoint::Relation;
use super::node::Node;
use crate::db::off::Dataset;
use crate::db::{Dao, DaoOptions, DbError, Entity, EntityModel, Model, Page, PageRequest, Place, TagPage};
use crate::schema::is_uuid;

/// Where entities are.
pub(super) enum Access<'a> {
    /// In the configuration that is served.
    Declared(Declared<'a>),
    /// In a database.
    Stored(&'a Dao),
}

impl<'a> Access<'a> {
    /// What a node has.
    pub(super) fn of(node: &'a dyn Node) -> Access<'a> {
        match node.dao() {
            Some(dao) => Access::Stored(dao),
            None => Access::Declared(Declared { dataset: node.dataset(), registry: node.registry() }),
        }
    }

    /// The entity at a place.
    ///
    /// # Errors
    /// A key that is none, and what the database says.
    pub(super) async fn select(&self, kind: &str, place: &Place) -> Result<Option<Arc<Entity>>, DbError> {
        match (self, place) {
            (Access::Declared(declared), place) => declared.select(kind, place),
            (Access::Stored(dao), Place::Key(key)) => {
                Ok(dao.select(kind, key, &DaoOptions::nulls()).await?.map(Arc::new))
            }
            (Access::Stored(dao), Place::Field(field, value)) => {
                Ok(dao.select_by(kind, field, value, &DaoOptions::nulls()).await?.map(Arc::new))
            }
        }
    }

    /// A page of the entities of a kind.
    ///
    /// # Errors
    /// An offset that is none, and what the database says.
    pub(super) async fn page(&self, kind: &str, request: &PageRequest) -> Result<Page, DbError> {
        match self {
            Access::Declared(declared) => declared.page(kind, request),
            Access::Stored(dao) => dao.page(kind, request, &DaoOptions::nulls()).await,
        }
    }

    /// A page of the entities whose foreign field points to one.
    ///
    /// # Errors
    /// As for [`Access::page`].
    pub(super) async fn page_for(
        &self,
        kind: &str,
        field: &str,
        key: &Entity,
        request: &PageRequest,
    ) -> Result<Page, DbError> {
        match self {
            Access::Declared(declared) => declared.page_for(kind, field, key, request),
            Access::Stored(dao) => dao.page_for(kind, field, key, request, &DaoOptions::nulls()).await,
        }
    }

    /// All entities whose foreign field points to one.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn each_for(
        &self,
        kind: &str,
        field: &str,
        key: &Entity,
    ) -> Result<Vec<Arc<Entity>>, DbError> {
        match self {
            Access::Declared(declared) => {
                let all = PageRequest { size: usize::MAX, ..PageRequest::first() };
                Ok(declared.page_for(kind, field, key, &all)?.rows)
            }
            Access::Stored(dao) => dao.each_for(kind, field, key, &DaoOptions::nulls()).await,
        }
    }

    /// A page of the tags of all entities, or of the entities with one.
    ///
    /// # Errors
    /// A tag or an offset that is none, and what the database says.
    pub(super) async fn page_tags(
        &self,
        tag: Option<&str>,
        size: usize,
        offset: Option<&str>,
    ) -> Result<TagPage, DbError> {
        match self {
            Access::Declared(declared) => declared.page_tags(tag, size, offset),
            Access::Stored(dao) => dao.page_tags(tag, size, offset).await,
        }
    }

    /// The names that a certificate answers to, sorted.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn names_of_certificate(&self, certificate: &Entity) -> Result<Vec<String>, DbError> {
        let key = self.primary_key("certificates", certificate);
        let snis = self.each_for("snis", "certificate", &key).await?;
        let mut names: Vec<String> =
            snis.iter().filter_map(|sni| sni.get("name")?.as_str().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Adds an entity.
    ///
    /// # Errors
    /// What is wrong with it; without a database, that there is none.
    pub(super) async fn insert(
        &self,
        kind: &str,
        entity: Entity,
        ttl: Option<f64>,
    ) -> Result<Entity, DbError> {
        match self {
            Access::Declared(declared) => Err(declared.refuse_insert(kind, entity)),
            Access::Stored(dao) => dao.insert(kind, entity, &with_ttl(ttl)).await,
        }
    }

    /// Changes fields of the entity at a place.
    ///
    /// # Errors
    /// Not found, and as for [`Access::insert`].
    pub(super) async fn update(
        &self,
        kind: &str,
        place: &Place,
        entity: Entity,
        ttl: Option<f64>,
    ) -> Result<Entity, DbError> {
        match (self, place) {
            (Access::Declared(declared), place) => Err(declared.refuse_update(kind, place, entity)),
            (Access::Stored(dao), Place::Key(key)) => dao.update(kind, key, entity, &with_ttl(ttl)).await,
            (Access::Stored(dao), Place::Field(field, value)) => {
                dao.update_by(kind, field, value, entity, &with_ttl(ttl)).await
            }
        }
    }

    /// Adds the entity at a place, or puts this one in its place.
    ///
    /// # Errors
    /// As for [`Access::insert`].
    pub(super) async fn upsert(
        &self,
        kind: &str,
        place: &Place,
        entity: Entity,
        ttl: Option<f64>,
    ) -> Result<Entity, DbError> {
        match (self, place) {
            (Access::Declared(declared), place) => Err(declared.refuse_upsert(kind, place, entity)),
            (Access::Stored(dao), Place::Key(key)) => dao.upsert(kind, key, entity, &with_ttl(ttl)).await,
            (Access::Stored(dao), Place::Field(field, value)) => {
                dao.upsert_by(kind, field, value, entity, &with_ttl(ttl)).await
            }
        }
    }

    /// Adds an entity of the relation's parent kind and lets the child with a key point to it.
    ///
    /// # Errors
    /// As for [`Access::insert`]; nothing is written then.
    pub(super) async fn insert_above(
        &self,
        relation: &Relation,
        child: &Entity,
        entity: Entity,
        ttl: Option<f64>,
    ) -> Result<Entity, DbError> {
        let at = by_id(&uuid::Uuid::new_v4().to_string());
        match (self, at) {
            (Access::Stored(dao), Place::Key(key)) => {
                let (pointing, above) =
                    ((relation.child.as_str(), relation.field.as_str()), (relation.parent.as_str(), &key));
                dao.upsert_above(
                    pointing,
                    &self.primary_key(&relation.child, child),
                    above,
                    entity,
                    &with_ttl(ttl),
                )
                .await
            }
            (_, at) => self.upsert(&relation.parent, &at, entity, ttl).await,
        }
    }

    /// Removes the entity at a place; one that is not there is no error.
    ///
    /// # Errors
    /// Another entity needs it; without a database, that there is none.
    pub(super) async fn delete(&self, kind: &str, place: &Place) -> Result<(), DbError> {
        match (self, place) {
            (Access::Declared(declared), place) => declared.refuse_delete(kind, place),
            (Access::Stored(dao), Place::Key(key)) => dao.delete(kind, key, &DaoOptions::nulls()).await,
            (Access::Stored(dao), Place::Field(field, value)) => {
                dao.delete_by(kind, field, value, &DaoOptions::nulls()).await
            }
        }
    }

    /// Keys and relations of a kind.
    pub(super) fn kind(&self, name: &str) -> Option<&EntityModel> {
        self.model().kind(name)
    }

    /// The primary key of an entity.
    pub(super) fn primary_key(&self, kind: &str, entity: &Entity) -> Entity {
        self.kind(kind).map(|kind| kind.primary_key_of(entity)).unwrap_or_default()
    }

    fn model(&self) -> &Model {
        match self {
            Access::Declared(declared) => declared.dataset.model(),
            Access::Stored(dao) => dao.model(),
        }
    }
}

/// The place that a text in a path means: an id, or the endpoint key of a kind that has one.
pub(super) fn place(node: &dyn Node, kind: &str, text: &str) -> Place {
    let schema = node.registry().named(kind);
    let field = schema.as_ref().and_then(|schema| {
        let name = schema.endpoint_key.as_ref()?;
        Some((name, schema.record.fields.get(name)?))
    });
    match field.filter(|_| !is_uuid(text)) {
        Some((name, field)) => {
            let mut value = Value::from(text);
            super::arguments::infer_value(&mut value, field);
            Place::Field(name.clone(), value)
        }
        None => by_id(text),
    }
}

/// The place of an id.
pub(super) fn by_id(id: &str) -> Place {
    Place::Key(Entity::from_iter([("id".to_owned(), Value::from(id))]))
}

fn with_ttl(ttl: Option<f64>) -> DaoOptions {
    DaoOptions { ttl, ..DaoOptions::nulls() }
}
