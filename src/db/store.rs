//! The interface of a database.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::{
    Change, ClusterEvent, Counter, DbError, Entities, Entity, Lock, Page, PageRequest, TagPage, Written,
};

/// The outcome of an operation of a store.
///
/// *Cancel safety*: dropped, a read is given up; a write goes on and is committed or not as a whole.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, DbError>> + Send>>;

/// A database: rows of entities by their keys, and changes of them.
///
/// Any thread may ask; the work is done elsewhere, so that an answer can be awaited on every runtime. Rows have all
/// stored fields of their kind, null where nothing is set, foreign fields as primary keys (`{"id": …}`), `ws_id`
/// where the kind is [`workspaceable`](super::EntityModel::workspaceable), and `ttl` where it
/// [can end](super::EntityModel::has_ttl): the seconds it has left, or null.
///
/// *Invariant*: rows that are written are those of the schemas, checked by a [`Dao`](super::Dao); a store checks what
/// only it can know: that keys and unique values are new, and that foreign keys lead somewhere.
///
/// *Errors*: besides those named, [`ErrorCode::DatabaseError`](super::ErrorCode::DatabaseError) where the database
/// fails or is away, in words for the log.
pub trait Store: Send + Sync + Debug {
    /// What the database is.
    fn info(&self) -> StoreInfo;

    /// Who the [notes](super::notes) of this store's changes come from: a UUID of its own, as another process of the
    /// same node reads them.
    fn author(&self) -> &str;

    /// The same database as workers read it, where that differs: what they read may be a little older than what was
    /// written.
    fn for_workers(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Asks for a sign of life; for `/status`.
    fn ping(&self) -> Answer<()>;

    /// The row with a primary key.
    fn select(&self, kind: &str, key: &Entity, view: &View) -> Answer<Option<Arc<Entity>>>;

    /// The row with this value of a unique field or of the endpoint key, or of a foreign field that is unique.
    fn select_by(&self, kind: &str, field: &str, value: &Value, view: &View) -> Answer<Option<Arc<Entity>>>;

    /// The row with a cache key, of a kind whose cache key has several fields.
    fn select_by_cache_key(&self, kind: &str, cache_key: &str, view: &View) -> Answer<Option<Arc<Entity>>>;

    /// A page of rows in the order of their primary keys, or of hashes of them. There may be fewer than asked for and
    /// yet a next page.
    ///
    /// *Errors*: an offset that this store did not hand out.
    fn page(&self, kind: &str, query: &Query, view: &View) -> Answer<Page>;

    /// All rows of some kinds in all workspaces, as they were at one moment.
    fn load(&self, kinds: &[&str]) -> Answer<Entities>;

    /// Makes changes, in their order, all or none of them, together with their [note](super::notes). On Cassandra that
    /// holds for what breaks a rule, and for crashes as far as one of its batches goes.
    ///
    /// *Errors*: primary key, unique (also of composite cache keys) and foreign key violations, not found.
    fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>>;

    /// Removes all rows of a kind, and all that point to any of it.
    fn truncate(&self, kind: &str) -> Answer<()>;

    /// A page of the tags of all entities, or of the entities with one.
    fn page_tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Answer<TagPage>;

    /// Adds an event for all nodes.
    fn add_event(&self, event: ClusterEvent) -> Answer<()>;

    /// The events of some channels that were sent after a time, oldest first, and the store's time.
    fn events_since(&self, channels: &[&str], after: f64) -> Answer<(Vec<ClusterEvent>, f64)>;

    /// Takes a lock, if nobody holds it; tells whether it was taken.
    fn take_lock(&self, lock: Lock) -> Answer<bool>;

    /// Who holds a lock.
    fn lock_owner(&self, key: &str) -> Answer<Option<String>>;

    /// Gives back a lock that this owner holds.
    fn release_lock(&self, key: &str, owner: &str) -> Answer<()>;

    /// Adds to counters, each of which is kept for so many seconds.
    fn count(&self, counted: Vec<(Counter, i64, f64)>) -> Answer<()>;

    /// The value of a counter; none if there is no such counter.
    fn counted(&self, counter: &Counter) -> Answer<Option<i64>>;

    /// Removes what has expired: rows, events, locks, counters. Tells how many there were.
    fn sweep(&self) -> Answer<u64>;

    /// A number that grows whenever another node may have written; none if the store does not tell that itself, and
    /// [`Store::events_since`] is to be asked now and then.
    fn notices(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// What a database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreInfo {
    /// `postgres`, `sqlite` …
    pub strategy: &'static str,
    /// The name or file of the database.
    pub database: String,
    /// What it calls itself, such as `PostgreSQL`.
    pub description: String,
    /// Its version, major and minor.
    pub version: String,
}

/// Which rows a read sees, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Only those of this workspace; all of them where there is none.
    pub workspace: Option<String>,
    /// Also rows that have expired and were not swept yet.
    pub skip_ttl: bool,
    /// `ttl` is the time at which a row ends rather than the seconds it has left.
    pub export: bool,
}

/// Which page is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Size, offset and tags. The size has no bound of its own here.
    pub page: PageRequest,
    /// Only rows whose foreign field has this primary key.
    pub below: Option<(String, Entity)>,
}

impl StoreInfo {
    /// Whether several nodes may use it at once.
    pub fn is_shared(&self) -> bool {
        !matches!(self.strategy, "sqlite" | "memory")
    }
}

impl View {
    /// The rows of a workspace.
    pub fn of(workspace: &str) -> View {
        View { workspace: Some(workspace.to_owned()), ..View::default() }
    }
}

/// Seconds since 1970.
pub(in crate::db) fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The error of a kind that the model does not have.
pub(in crate::db) fn unknown_kind(kind: &str) -> DbError {
    DbError::database(format!("unknown entity: {kind}"))
}
