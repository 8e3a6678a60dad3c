//! Writing.

use serde_json::Value;

use super::certificates::Names;
use super::{Dao, DaoOptions, Kind, plugins, targets};
use crate::db::store::now;
use crate::db::{Change, DbError, Entity, Expiry, Place, Write, Written};
use crate::schema::Context;

impl Dao {
    /// Adds an entity.
    ///
    /// # Errors
    /// Schema violations, unresolved foreign keys, and what the store refuses.
    pub async fn insert(
        &self,
        kind: &str,
        mut entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let kind = self.kind(kind)?;
        self.before_write(&kind, &mut entity).await?;
        let names = Names::taken_from(&kind, &mut entity)?;
        self.check_names(&names, None).await?;
        let row = self.prepare_new(&kind, &entity, options, Context::Insert, None).await?;
        let key = kind.model.primary_key_of(&row);
        let write = Write::Insert(self.placed(&kind, row.clone(), options), expiry(options, &row, false));
        let mut changes = vec![Change::new(kind.model, self.workspace_of(options), write)];
        let sorted = self.change_names(&names, &key, &mut changes, options).await?;
        self.write_and_show(&kind, changes, sorted, options).await
    }

    /// Changes some fields of the entity with a primary key.
    ///
    /// # Errors
    /// Not found, and as for [`Dao::insert`].
    pub async fn update(
        &self,
        kind: &str,
        key: &Entity,
        entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let kind = self.kind(kind)?;
        let key = kind.primary_key(key)?;
        kind.check_options(options)?;
        let known = self.select(&kind.model.name, &key, &rbw(options)).await?;
        self.update_known(&kind, Place::Key(key), known, entity, options).await
    }

    /// Changes some fields of the entity with this value of a unique field.
    ///
    /// # Errors
    /// As for [`Dao::update`].
    pub async fn update_by(
        &self,
        kind: &str,
        field: &str,
        value: &Value,
        entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let kind = self.kind(kind)?;
        let known = self.select_by(&kind.model.name, field, value, &rbw(options)).await?;
        let place = Place::Field(field.to_owned(), value.clone());
        self.update_known(&kind, place, known, entity, options).await
    }

    /// Adds the entity with a primary key or puts this one in its place.
    ///
    /// # Errors
    /// As for [`Dao::insert`].
    pub async fn upsert(
        &self,
        kind: &str,
        key: &Entity,
        mut entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let kind = self.kind(kind)?;
        let key = kind.primary_key(key)?;
        if kind.model.name == "targets" {
            self.before_write(&kind, &mut entity).await?;
            return self.upsert_target(&kind, key, entity, options).await;
        }
        let Planned { changes, names } = self.plan_upsert(&kind, key, entity, options).await?;
        self.write_and_show(&kind, changes, names, options).await
    }

    pub(super) async fn plan_upsert(
        &self,
        kind: &Kind<'_>,
        key: Entity,
        mut entity: Entity,
        options: &DaoOptions,
    ) -> Result<Planned, DbError> {
        self.before_write(kind, &mut entity).await?;
        let names = Names::taken_from(kind, &mut entity)?;
        self.check_names(&names, Some(&key)).await?;
        let mut row = self.prepare_new(kind, &entity, options, Context::Upsert, None).await?;
        row.extend(key.clone());
        let expiry = expiry(options, &row, false);
        let write = Write::Upsert(Place::Key(key.clone()), self.placed(kind, row, options), expiry);
        let mut changes = vec![Change::new(kind.model, self.workspace_of(options), write)];
        let names = self.change_names(&names, &key, &mut changes, options).await?;
        Ok(Planned { changes, names })
    }

    /// Adds the entity with this value of a unique field or puts this one in its place, which keeps its primary key.
    ///
    /// # Errors
    /// As for [`Dao::insert`].
    pub async fn upsert_by(
        &self,
        kind: &str,
        field: &str,
        value: &Value,
        mut entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let kind = self.kind(kind)?;
        if (kind.model.name.as_str(), field) == ("targets", "target") {
            entity.insert(field.to_owned(), value.clone());
            return Box::pin(self.insert("targets", entity, options)).await;
        }
        kind.check_unique(field, value, options)?;
        self.before_write(&kind, &mut entity).await?;
        let by = Some((field, value));
        let row = self.prepare_new(&kind, &entity, options, Context::Upsert, by).await?;
        let expiry = expiry(options, &row, false);
        let place = Place::Field(field.to_owned(), value.clone());
        let write = Write::Upsert(place, self.placed(&kind, row, options), expiry);
        let changes = vec![Change::new(kind.model, self.workspace_of(options), write)];
        self.write_and_show(&kind, changes, None, options).await
    }

    /// Removes the entity with a primary key and all that is removed with it; one that is not there is no error.
    ///
    /// # Errors
    /// An invalid primary key, another entity that needs this one.
    pub async fn delete(&self, kind: &str, key: &Entity, options: &DaoOptions) -> Result<(), DbError> {
        let kind = self.kind(kind)?;
        let key = kind.primary_key(key)?;
        self.before_delete(&kind, &key).await?;
        self.delete_at(&kind, Place::Key(key), options).await
    }

    /// The same for the one with this value of a unique field.
    ///
    /// # Errors
    /// A value that does not fit the field, another entity that needs this one.
    pub async fn delete_by(
        &self,
        kind: &str,
        field: &str,
        value: &Value,
        options: &DaoOptions,
    ) -> Result<(), DbError> {
        let kind = self.kind(kind)?;
        kind.check_unique(field, value, options)?;
        self.delete_at(&kind, Place::Field(field.to_owned(), value.clone()), options).await
    }

    /// Removes all entities of a kind, and all that point to any of them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn truncate(&self, kind: &str) -> Result<(), DbError> {
        self.store.truncate(kind).await
    }

    async fn delete_at(&self, kind: &Kind<'_>, place: Place, options: &DaoOptions) -> Result<(), DbError> {
        kind.check_options(options)?;
        let mut changes = match &place {
            Place::Key(key) => self.removal_of_names(kind, key, options).await?,
            Place::Field(..) => Vec::new(),
        };
        changes.push(Change::new(kind.model, self.workspace_of(options), Write::Delete(place)));
        self.commit(changes).await.map(drop)
    }

    async fn update_known(
        &self,
        kind: &Kind<'_>,
        place: Place,
        known: Option<Entity>,
        given: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        kind.check_options(options)?;
        let Some(known) = known else { return Err(self.not_found(kind, place, &given)) };
        // *Kong parity*: where the change names another key than the path, nothing is found; it is told last
        let names_another = matches!(&place, Place::Key(key) if key.iter().any(|(name, part)| {
            given.get(name).is_some_and(|given| given != part)
        }));
        let Planned { changes, names } = self.plan_update(kind, &known, given, options).await?;
        if names_another {
            return Err(place.not_found());
        }
        self.write_and_show(kind, changes, names, options).await
    }

    pub(super) async fn plan_update(
        &self,
        kind: &Kind<'_>,
        known: &Entity,
        mut given: Entity,
        options: &DaoOptions,
    ) -> Result<Planned, DbError> {
        if kind.model.name == "plugins" {
            self.check_protocols(&plugins::changed(&given, known)).await?;
        }
        let names = Names::taken_from(kind, &mut given)?;
        let key = kind.model.primary_key_of(known);
        self.check_names(&names, Some(&key)).await?;
        let mut entity = self.prepare_update(kind, &given, known, options).await?;
        entity.extend(key.clone());
        let expiry = expiry(options, &entity, true);
        let write = Write::Update(Place::Key(key.clone()), entity, expiry);
        let mut changes = vec![Change::new(kind.model, self.workspace_of(options), write)];
        let names = self.change_names(&names, &key, &mut changes, options).await?;
        Ok(Planned { changes, names })
    }

    /// *Kong parity*: what is wrong with an entity is told before that there is none to change.
    fn not_found(&self, kind: &Kind<'_>, place: Place, given: &Entity) -> DbError {
        let options = crate::schema::AutoOptions::default();
        match kind.schema.process_auto_fields(given.clone(), Context::Update, &options) {
            Err(errors) => DbError::schema_violation(errors),
            Ok(_) => place.not_found(),
        }
    }

    /// What kinds check beyond their schema, before everything else.
    async fn before_write(&self, kind: &Kind<'_>, entity: &mut Entity) -> Result<(), DbError> {
        match kind.model.name.as_str() {
            "plugins" => self.check_protocols(entity).await,
            "targets" => targets::format(entity),
            "tags" => {
                let message = "does not support insert/upsert/update/delete operations";
                Err(DbError::schema_violation(Entity::from_iter([("tags".to_owned(), message.into())])))
            }
            _ => Ok(()),
        }
    }

    async fn before_delete(&self, kind: &Kind<'_>, key: &Entity) -> Result<(), DbError> {
        match kind.model.name.as_str() {
            "ca_certificates" => self.check_ca_certificate_is_unused(key).await,
            _ => Ok(()),
        }
    }

    /// A new entity with the workspace that it goes to.
    pub(super) fn placed(&self, kind: &Kind<'_>, mut entity: Entity, options: &DaoOptions) -> Entity {
        if kind.model.workspaceable {
            let id = self.workspace_of(options).unwrap_or(&self.workspace);
            entity.insert("ws_id".to_owned(), Value::from(id));
        }
        entity
    }

    /// Makes changes of which the first is of an entity of this kind, and answers that; `names` are the SNIs it has.
    pub(super) async fn write_and_show(
        &self,
        kind: &Kind<'_>,
        changes: Vec<Change>,
        names: Option<Vec<String>>,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let written = self.commit(changes).await?;
        let after = written.into_iter().next().and_then(|Written { after, .. }| after);
        let Some(row) = after else { return Err(DbError::database("the store made no change")) };
        let mut entity = kind.entity(&row, options)?;
        if let Some(names) = names {
            entity.insert("snis".to_owned(), Value::from(names));
        }
        Ok(entity)
    }
}

/// Changes that are ready to be made, and the names that a certificate has afterwards.
pub(super) struct Planned {
    pub(super) changes: Vec<Change>,
    pub(super) names: Option<Vec<String>>,
}

/// How an entity is read that is to be changed.
pub(super) fn rbw(options: &DaoOptions) -> DaoOptions {
    DaoOptions { hide_shorthands: true, ..options.clone() }
}

pub(super) fn expiry(options: &DaoOptions, entity: &Entity, is_update: bool) -> Expiry {
    Expiry::of(options.ttl.map(|ttl| ttl as i64), entity, is_update, now())
}
