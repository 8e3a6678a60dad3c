//! From a write to its effect: the rows the gateway is run by are kept in memory, changed with each write, and made a
//! snapshot; what caches hold of others is dropped.

use super::Configuration;
use super::cluster::Keys;
use super::entities::EntitySource;
use super::events::{self, Events};
use crate::conf::{Conf, WorkerConsistency};
use crate::db::off::Changes;
use crate::db::{Answer, Change, DbError, Entities, Entity, Observer, Rows, Store, View, Written, dao};
use crate::lua::Vm;
use crate::observability::log;
use crate::runtime;
use indexmap::IndexMap;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::Instant;

/// The kinds that the gateway is run by. All others, as many as they may be, are looked up when they are needed.
const SERVED: [&str; 11] = [
    "ca_certificates",
    "certificates",
    "filter_chains",
    "plugins",
    "routes",
    "services",
    "snis",
    "targets",
    "upstreams",
    "vaults",
    "workspaces",
];
/// What stands for the hash of a configuration's text.
const HASH: &str = "database";
/// How long a snapshot is prepared on cores that nobody else wants.
const PATIENCE: Duration = Duration::from_millis(300);
/// So many rows are put in force in a millisecond or two.
const FEW: usize = 100;
/// A snapshot that is made in less is made at every write.
const QUICK: Duration = Duration::from_millis(5);

/// What the gateway is run by.
pub(super) struct Effect {
    me: Weak<Effect>,
    shared: Arc<Configuration>,
    source: Rc<EntitySource>,
    events: Events,
    rows: RefCell<Entities>,
    /// What the snapshot in force does not have yet.
    pending: RefCell<Pending>,
    /// Counts changes of the rows.
    changes: Cell<u64>,
    /// The number of changes that the snapshot in force has.
    published: Cell<u64>,
    /// When the last snapshot was ready, and how long it took.
    last: Cell<(Instant, Duration)>,
    is_scheduled: Cell<bool>,
}

/// Which rows are other ones than those in force.
enum Pending {
    /// Perhaps all.
    All,
    /// Those with these keys, by their kinds.
    Some(IndexMap<String, HashSet<Arc<str>>>),
}

impl Pending {
    /// Whether it takes long to put them in force.
    fn is_large(&self) -> bool {
        match self {
            Pending::All => true,
            Pending::Some(keys) => keys.values().map(HashSet::len).sum::<usize>() > FEW,
        }
    }
}

impl Effect {
    /// Without any row yet.
    ///
    /// *Errors*: a module of Lua that cannot be loaded: a defect of the build.
    pub(super) fn new(
        shared: &Arc<Configuration>,
        source: &Rc<EntitySource>,
        vm: &Vm,
    ) -> Result<Rc<Effect>, String> {
        let events = Events::new(vm).map_err(|error| error.to_string())?;
        Ok(Rc::new_cyclic(|me| Effect {
            me: me.clone(),
            shared: Arc::clone(shared),
            source: Rc::clone(source),
            events,
            rows: RefCell::default(),
            pending: RefCell::new(Pending::All),
            changes: Cell::new(0),
            published: Cell::new(0),
            last: Cell::new((Instant::now(), Duration::ZERO)),
            is_scheduled: Cell::new(false),
        }))
    }

    /// Loads the rows of a database, without putting them in force.
    ///
    /// *Errors*: the database's.
    pub(super) async fn load(&self, store: &Arc<dyn Store>) -> Result<(), DbError> {
        self.put(store.load(&SERVED).await?);
        Ok(())
    }

    /// Takes rows over that [`Effect::rows`] gave, without putting them in force.
    pub(super) fn restore(&self, rows: Entities) {
        *self.rows.borrow_mut() = rows;
        *self.pending.borrow_mut() = Pending::All;
        self.changes.set(self.changes.get() + 1);
    }

    /// What the gateway is run by, and the number of changes that made it so.
    pub(super) fn rows(&self) -> (Entities, u64) {
        (self.rows.borrow().clone(), self.changes.get())
    }

    /// The configuration of the node.
    pub(super) fn conf(&self) -> &Conf {
        &self.shared.conf
    }

    /// Tells when a snapshot was put in force.
    pub(super) fn published(&self) -> watch::Receiver<u64> {
        self.shared.published.changes()
    }

    /// The number of changes so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Loads the rows anew; those that are as they were stay the same ones. Caches are emptied, as nobody knows what
    /// others changed.
    ///
    /// *Errors*: the database's; all stays as it was then.
    pub(super) async fn reload(&self, store: &Arc<dyn Store>) -> Result<(), DbError> {
        let changes = self.changes.get();
        let loaded = store.load(&SERVED).await?;
        if changes != self.changes.get() {
            // What was written meanwhile may be missing in what was loaded.
            return Box::pin(self.reload(store)).await;
        }
        if self.put(loaded) {
            self.publish()?;
        }
        self.events.purge().await;
        Ok(())
    }

    /// Reads rows anew that others wrote.
    ///
    /// *Errors*: the database's; what was read before is in force soon.
    pub(super) async fn refresh(&self, store: &Arc<dyn Store>, keys: &Keys) -> Result<(), DbError> {
        let before = self.changes.get();
        let mut outcome = Ok(());
        for (kind, key) in keys.iter().filter(|(kind, _)| SERVED.contains(&kind.as_str())) {
            match store.select(kind, key, &View::default()).await {
                Ok(row) => self.replace(kind, Some(&Arc::new(key.clone())), row.as_ref()),
                Err(error) => outcome = Err(error),
            }
        }
        if self.changes.get() != before {
            self.publish_in_turn().await;
        }
        outcome
    }

    /// Drops what caches hold under these keys.
    pub(super) async fn forget(&self, keys: &[String]) {
        self.events.forget(keys).await;
    }

    /// Puts rows in the place of all; tells whether there is a difference.
    fn put(&self, loaded: Entities) -> bool {
        let mut rows = self.rows.borrow_mut();
        let mut is_changed = false;
        let mut all = Entities::new();
        for (kind, loaded) in loaded {
            let known = rows.swap_remove(&kind).unwrap_or_default();
            let count = loaded.len();
            let mut kept = Rows::with_capacity_and_hasher(count, Default::default());
            let mut same = 0;
            for (key, row) in loaded {
                let Some(served) = self.served(&kind, &row) else { continue };
                match known.get(&key).filter(|known| ***known == *served) {
                    Some(known) => {
                        same += 1;
                        kept.insert(key, Arc::clone(known));
                    }
                    None => drop(kept.insert(key, served)),
                }
            }
            is_changed |= same != known.len() || same != kept.len();
            all.insert(kind, kept);
        }
        *rows = all;
        if is_changed {
            *self.pending.borrow_mut() = Pending::All;
            self.changes.set(self.changes.get() + 1);
        }
        is_changed
    }

    /// A row as the gateway is run by it; one that cannot be is told and left out.
    fn served(&self, kind: &str, row: &Arc<Entity>) -> Option<Arc<Entity>> {
        let schema = self.source.registry.named(kind)?;
        let served = dao::served(&schema, row);
        let tell = |error: &DbError| {
            let id = row.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
            log::error!("{kind} {id} of the database is not served: {error}");
        };
        served.inspect_err(tell).ok().map(Arc::new)
    }

    /// Puts changes in force, before the next request where that is quick, and soon where it is not.
    pub(super) async fn took(&self, written: &[Written]) {
        if self.change(written) {
            self.publish_in_turn().await;
        }
        match events::events(written, &self.source.registry) {
            Some(events) => {
                self.events.invalidate(&events).await;
                self.shared.connector.tell(events.into());
            }
            None => self.events.purge().await,
        }
    }

    /// Changes the rows; tells whether there is a difference.
    fn change(&self, written: &[Written]) -> bool {
        let before = self.changes.get();
        for change in written {
            for removed in &change.cascaded {
                self.replace(&removed.kind, Some(&removed.entity), None);
            }
            self.replace(&change.kind, change.before.as_ref(), change.after.as_ref());
        }
        self.changes.get() != before
    }

    fn replace(&self, kind: &str, before: Option<&Arc<Entity>>, after: Option<&Arc<Entity>>) {
        let model = self.source.reader.model().kind(kind).filter(|_| SERVED.contains(&kind));
        let Some(model) = model else { return };
        let served = after.and_then(|row| self.served(kind, row));
        let mut all = self.rows.borrow_mut();
        let rows = all.entry(kind.to_owned()).or_default();
        let key = before.map(|before| model.key_text(before));
        let known = key.as_ref().and_then(|key| rows.swap_remove(key.as_str()));
        let is_same = known == served;
        let now = if is_same { known } else { served };
        let now_key: Option<Arc<str>> = now.as_ref().map(|row| model.key_text(row).into());
        if let (Some(key), Some(row)) = (&now_key, now) {
            rows.insert(Arc::clone(key), row);
        }
        if is_same {
            return;
        }
        if let Pending::Some(keys) = &mut *self.pending.borrow_mut() {
            keys.entry(kind.to_owned()).or_default().extend(key.map(Arc::from).into_iter().chain(now_key));
        }
        self.changes.set(self.changes.get() + 1);
    }

    /// Makes the snapshot at once; or, where writes follow each other faster than large snapshots are made, of many
    /// writes together.
    async fn publish_in_turn(&self) {
        let changes = self.changes.get();
        let (ready, cost) = self.last.get();
        let rest = if cost < QUICK { Duration::ZERO } else { cost };
        let is_strict = self.shared.conf.worker_consistency == WorkerConsistency::Strict;
        if ready.elapsed() < rest && !is_strict {
            self.schedule(ready + rest);
            return;
        }
        if is_strict {
            tokio::time::sleep_until(ready + rest).await;
        }
        if self.published.get() < changes {
            self.publish_or_tell();
        }
    }

    fn schedule(&self, at: Instant) {
        let Some(me) = self.me.upgrade().filter(|_| !self.is_scheduled.replace(true)) else { return };
        spawn_local(async move {
            tokio::time::sleep_until(at).await;
            me.is_scheduled.set(false);
            if me.published.get() < me.changes.get() {
                me.publish_or_tell();
            }
        });
    }

    fn publish_or_tell(&self) {
        if let Err(error) = self.publish() {
            log::error!("what was written to the database is not in force: {error}");
        }
    }

    /// To be called when the first snapshot is in force.
    pub(super) async fn start(&self) {
        self.events.start().await;
    }

    /// Makes the snapshot of the rows and puts it in force.
    pub(super) fn publish(&self) -> Result<(), DbError> {
        let (started, changes) = (Instant::now(), self.changes.get());
        let pending = self.pending.replace(Pending::Some(IndexMap::new()));
        let build = || match &pending {
            Pending::All => self.source.build(self.rows.borrow().clone(), HASH, &self.shared),
            Pending::Some(keys) => self.source.change(&self.changed(keys), HASH, &self.shared),
        };
        let built = if pending.is_large() { runtime::stand_back(PATIENCE, build) } else { build() };
        let (snapshot, refused) = built.inspect_err(|_| drop(self.pending.replace(Pending::All)))?;
        for error in refused {
            log::error!("{error}");
        }
        self.shared.published.publish(snapshot);
        self.published.set(changes);
        self.last.set((Instant::now(), started.elapsed()));
        Ok(())
    }
}

impl Effect {
    /// The rows with these keys; `None` for those that have gone.
    fn changed(&self, keys: &IndexMap<String, HashSet<Arc<str>>>) -> IndexMap<String, Changes> {
        let all = self.rows.borrow();
        let of_kind = |(kind, keys): (&String, &HashSet<Arc<str>>)| {
            let row = |key: &Arc<str>| all.get(kind).and_then(|rows| rows.get(key)).cloned();
            (kind.clone(), keys.iter().map(|key| (Arc::clone(key), row(key))).collect())
        };
        keys.iter().map(of_kind).collect()
    }
}

impl Observer for Effect {
    /// The same way that workers write, so that all changes are put in force in the order they were made.
    fn write(&self, _: &Arc<dyn Store>, changes: Vec<Change>) -> Answer<Vec<Written>> {
        self.shared.connector.write(changes)
    }

    /// Who hears what was written has put it in force already.
    fn wrote<'a>(&'a self, _: &'a [Written]) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(std::future::ready(()))
    }
}
