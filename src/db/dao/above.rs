//! An entity that is made together with the foreign key that points to it.

use super::write::rbw;
use super::{Dao, DaoOptions};
use crate::db::{DbError, Entity};

impl Dao {
    /// Adds an entity of kind `parent`, or puts it in the place of another, and lets the foreign field of the entity
    /// with the primary key `child_key` point to it: both or neither.
    ///
    /// # Errors
    /// Not found, and as for [`Dao::insert`].
    pub async fn upsert_above(
        &self,
        (child, field): (&str, &str),
        child_key: &Entity,
        (parent, parent_key): (&str, &Entity),
        entity: Entity,
        options: &DaoOptions,
    ) -> Result<Entity, DbError> {
        let (child, parent) = (self.kind(child)?, self.kind(parent)?);
        let (child_key, parent_key) = (child.primary_key(child_key)?, parent.primary_key(parent_key)?);
        let known = self.select(&child.model.name, &child_key, &rbw(options)).await?;
        let known = known.ok_or_else(|| DbError::not_found(child_key))?;
        let mut planned = self.plan_upsert(&parent, parent_key.clone(), entity, options).await?;
        let pointing = Entity::from_iter([(field.to_owned(), parent_key.into())]);
        let own = DaoOptions { ttl: None, ..options.clone() };
        planned.changes.extend(self.plan_update(&child, &known, pointing, &own).await?.changes);
        self.write_and_show(&parent, planned.changes, planned.names, options).await
    }
}
