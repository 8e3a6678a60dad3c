//! What others write to the database: heard of by the store's notices, and by looking now and then.

use super::effect::Effect;
use crate::db::notes::{self, Note};
use crate::db::{ClusterEvent, DbError, Entity, Store};
use crate::observability::log;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Events of Kong nodes: caches that hold what is no longer so, and what balancers are made of.
const INVALIDATIONS: &str = "invalidations";
/// The same of the cache that holds the versions of routers and plugin plans.
const CORE_INVALIDATIONS: &str = "invalidations_kong_core_db_cache";
const CHANNELS: [&str; 5] =
    [notes::CHANNEL, INVALIDATIONS, CORE_INVALIDATIONS, "balancer:upstreams", "balancer:targets"];
/// What Kong nodes call the things that routers and plugin plans are made of.
const VERSIONS: [&str; 3] = ["router:version", "plugins_iterator:version", "filter_chains:version"];
/// How far it is looked back, in seconds: an event may be committed after a later one.
const LOOK_BACK: f64 = 5.0;

/// Follows the other writers of a database.
pub(super) struct Cluster {
    store: Arc<dyn Store>,
    /// The id that this node's code signs events with.
    node_id: String,
    position: RefCell<Position>,
}

/// How far events were heard.
struct Position {
    until: f64,
    /// Events of the time that is looked back to, by id.
    heard: HashMap<String, f64>,
}

impl Cluster {
    /// Of a database that is not asked yet.
    pub(super) fn new(store: &Arc<dyn Store>, node_id: &str) -> Cluster {
        let position = RefCell::new(Position { until: 0.0, heard: HashMap::new() });
        Cluster { store: Arc::clone(store), node_id: node_id.to_owned(), position }
    }

    /// Listens from now on; what there is already is to be loaded afterwards.
    ///
    /// *Errors*: the store's.
    pub(super) async fn begin(&self) -> Result<(), DbError> {
        let (_, until) = self.store.events_since(&CHANNELS, f64::from(u32::MAX)).await?;
        self.position.borrow_mut().until = until;
        // What was sent shortly before is in what is going to be loaded.
        self.new_events().await?;
        Ok(())
    }

    /// Puts in force what others write, for ever.
    pub(super) async fn follow(&self, effect: &Rc<Effect>, frequency: Duration) {
        let mut notices = self.store.notices();
        loop {
            let is_noticed = match &mut notices {
                Some(notices) => tokio::time::timeout(frequency, changed(notices)).await.is_ok(),
                None => {
                    tokio::time::sleep(frequency).await;
                    false
                }
            };
            if let Err(error) = self.catch_up(effect, is_noticed).await {
                log::warn!("what others wrote to the database is not in force yet: {error}");
                tokio::time::sleep(frequency.min(Duration::from_secs(1))).await;
            }
        }
    }

    async fn catch_up(&self, effect: &Rc<Effect>, is_noticed: bool) -> Result<(), DbError> {
        let events = self.new_events().await?;
        let mut rows = Vec::new();
        // Where nodes share a database, whatever is written is told: a notice without an event comes late.
        let mut is_all = is_noticed && events.is_empty() && !self.store.info().is_shared();
        let mut keys = Vec::new();
        for event in &events {
            match event.channel.as_str() {
                notes::CHANNEL => match Note::read(&event.data) {
                    Note::Rows(named) => rows.extend(named),
                    Note::Everything => is_all = true,
                },
                INVALIDATIONS if !VERSIONS.contains(&event.data.as_str()) => keys.push(event.data.clone()),
                CORE_INVALIDATIONS if crate::lua::pdk::is_own_event(&event.id) => {
                    keys.push(event.data.clone());
                }
                _ => is_all |= !crate::lua::pdk::is_own_event(&event.id),
            }
        }
        if is_all {
            return effect.reload(&self.store).await;
        }
        effect.refresh(&self.store, &rows).await?;
        effect.forget(&keys).await;
        Ok(())
    }

    /// The events of others that were not heard before.
    async fn new_events(&self) -> Result<Vec<ClusterEvent>, DbError> {
        let since = self.position.borrow().until - LOOK_BACK;
        let (events, until) = self.store.events_since(&CHANNELS, since).await?;
        let mut position = self.position.borrow_mut();
        position.until = until;
        position.heard.retain(|_, at| *at > since);
        let is_new = |event: &ClusterEvent| {
            let is_first = position.heard.insert(event.id.clone(), event.at).is_none();
            is_first && event.node_id != self.store.author() && event.node_id != self.node_id
        };
        let mut is_new = is_new;
        Ok(events.into_iter().filter(|event| is_new(event)).collect())
    }
}

async fn changed(notices: &mut watch::Receiver<u64>) {
    if notices.changed().await.is_err() {
        // The store has gone: there is nothing to hear any more.
        std::future::pending::<()>().await;
    }
}

/// The primary keys that rows are read anew by.
pub(super) type Keys = [(String, Entity)];
