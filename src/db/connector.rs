//! The way to the database that all threads of a process share.

use std::sync::{Arc, OnceLock};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Answer, Change, DbError, Entity, Store, Written, executor};

/// How many batches of changes a worker may be behind in hearing of them.
const BACKLOG: usize = 1024;

/// The database as workers reach it: what they write is told to the control thread, which puts it in force.
#[derive(Debug)]
pub struct Connector {
    store: OnceLock<Arc<dyn Store>>,
    wrote: OnceLock<mpsc::UnboundedSender<Heard>>,
    events: broadcast::Sender<Arc<[EntityEvent]>>,
}

/// A change of an entity, as code hears of it that asked for events.
#[derive(Debug, Clone)]
pub struct EntityEvent {
    /// The kind of the entity.
    pub kind: String,
    /// `create`, `update` or `delete`.
    pub operation: &'static str,
    /// The entity as it is, or as it was if it is gone.
    pub entity: Entity,
    /// The entity as it was before an update.
    pub old: Option<Entity>,
}

/// What a worker wrote; it waits until `done` is dropped.
#[derive(Debug)]
pub struct Heard {
    /// The changes, which the database has.
    pub written: Vec<Written>,
    /// To be dropped when they are in force.
    pub done: oneshot::Sender<()>,
}

impl Default for Connector {
    fn default() -> Self {
        let (events, _) = broadcast::channel(BACKLOG);
        Connector { store: OnceLock::new(), wrote: OnceLock::new(), events }
    }
}

impl Connector {
    /// Makes the database known to all threads, once; answers what they will have written.
    pub fn connect(&self, store: Arc<dyn Store>) -> mpsc::UnboundedReceiver<Heard> {
        let (wrote, heard) = mpsc::unbounded_channel();
        // Whoever connects is the only one who does.
        let _ = self.store.set(store);
        let _ = self.wrote.set(wrote);
        heard
    }

    /// The database; none without one, and before it is known.
    pub fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.get()
    }

    /// Whether somebody puts in force what is written, and tells of it.
    pub fn is_heard(&self) -> bool {
        self.wrote.get().is_some_and(|wrote| !wrote.is_closed())
    }

    /// Makes changes as [`Store::write`] does, and waits until they are in force.
    ///
    /// *Cancel safety*: dropped, the changes are made and put in force, or not made, all the same.
    pub fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>> {
        let (store, wrote) = (self.store.get().cloned(), self.wrote.get().cloned());
        executor::run(async move {
            let store = store.ok_or_else(|| DbError::database("the database is not connected yet"))?;
            let written = store.write(changes).await?;
            let (done, wait) = oneshot::channel();
            if let Some(Ok(())) = wrote.map(|wrote| wrote.send(Heard { written: written.clone(), done })) {
                // An error is how the other side says that it is done.
                let _ = wait.await;
            }
            Ok(written)
        })
    }

    /// Tells all workers of changes that are in force.
    pub fn tell(&self, events: Arc<[EntityEvent]>) {
        // Nobody listens before the workers are up.
        let _ = self.events.send(events);
    }

    /// The changes that are told from now on.
    pub fn events(&self) -> broadcast::Receiver<Arc<[EntityEvent]>> {
        self.events.subscribe()
    }
}
