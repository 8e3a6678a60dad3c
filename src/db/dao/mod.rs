//! The DAO: entities in, entities out, over a [`Store`].
//!
//! A write goes through the schema first (`prepare`: shorthands, automatic values, defaults, foreign keys given by
//! name, rules, transformations), then to the store in one batch with all that belongs to it, and then to the
//! [`Observer`], which puts it in force. A read goes to the store and through the schema on its way out (`read`).
//! What kinds do beyond their schema is in the files named after them.
//!
//! *Kong parity*: the order of the checks, the errors, and what an entity looks like. It stands on the control thread:
//! schemas cannot be shared between threads. Lua code has a DAO of its own (`lua/kong/db/dao`) over the same stores.

mod above;
mod ca_certificates;
mod certificates;
mod options;
mod plugins;
mod prepare;
mod read;
mod storable;
mod targets;
#[cfg(test)]
mod tests;
mod write;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::{Answer, Change, DbError, EntityModel, Model, Store, Written};
use crate::entities::Registry;
use crate::schema::Schema;

pub use options::{DaoOptions, Workspace};
pub use read::served;

/// Access to the entities of a database.
#[derive(Clone)]
pub struct Dao {
    registry: Registry,
    model: Arc<Model>,
    store: Arc<dyn Store>,
    workspace: Rc<str>,
    observer: Rc<dyn Observer>,
}

/// Hears of what is written.
pub trait Observer {
    /// Has a store make changes.
    ///
    /// # Errors
    /// What the store refuses.
    fn write(&self, store: &Arc<dyn Store>, changes: Vec<Change>) -> Answer<Vec<Written>> {
        store.write(changes)
    }

    /// Puts changes in force that the database has; a write is answered afterwards. May not fail: what is written is
    /// written.
    fn wrote<'a>(&'a self, written: &'a [Written]) -> Pin<Box<dyn Future<Output = ()> + 'a>>;
}

/// An observer that does nothing: for commands, which end when they have written.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn wrote<'a>(&'a self, _: &'a [Written]) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

impl Dao {
    /// Over a store, by these schemas; `workspace` is the id of the default workspace.
    pub fn new(
        registry: Registry,
        model: Arc<Model>,
        store: Arc<dyn Store>,
        workspace: &str,
        observer: Rc<dyn Observer>,
    ) -> Dao {
        Dao { registry, model, store, workspace: workspace.into(), observer }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Keys and relations of all kinds.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The schemas.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The id of the default workspace.
    pub fn default_workspace(&self) -> &str {
        &self.workspace
    }

    /// Makes changes all at once, and has them put in force.
    ///
    /// *Cancel safety*: dropped, the changes are made and put in force, or not made, all the same.
    ///
    /// # Errors
    /// What the store refuses.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Written>, DbError> {
        let (store, observer) = (Arc::clone(&self.store), Rc::clone(&self.observer));
        let done = tokio::task::spawn_local(async move {
            let written = observer.write(&store, changes).await?;
            observer.wrote(&written).await;
            Ok(written)
        });
        done.await.unwrap_or_else(|error| Err(DbError::database(format!("the write failed: {error}"))))
    }

    fn kind(&self, name: &str) -> Result<Kind<'_>, DbError> {
        let unknown = || super::store::unknown_kind(name);
        let schema = self.registry.named(name).ok_or_else(unknown)?;
        let model = self.model.kind(name).ok_or_else(unknown)?;
        Ok(Kind { schema, model })
    }
}

/// A kind of entity, as both sides know it.
struct Kind<'a> {
    schema: Rc<Schema>,
    model: &'a EntityModel,
}
