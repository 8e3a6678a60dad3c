//! The store.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::session::Session;
use super::tables::Tables;
use super::{Settings, aside, read, write};
use crate::db::{
    Answer, Change, ClusterEvent, Counter, DbError, Entities, Entity, ErrorCode, Lock, Model, Page, Place,
    Query, Store, StoreInfo, TagPage, View, Written, executor,
};

/// The store on a Cassandra cluster.
#[derive(Debug, Clone)]
pub struct Cassandra {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    model: Arc<Model>,
    opened: OnceCell<Opened>,
    version: OnceLock<String>,
    /// Who the notes of this store come from.
    author: String,
}

/// A session, and the tables that its keyspace has.
#[derive(Debug)]
struct Opened {
    session: Session,
    tables: Tables,
}

/// Work with a session.
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbError>> + Send + 'a>>;

impl Cassandra {
    /// A store that connects when it is first asked.
    pub fn new(settings: Settings, model: &Arc<Model>) -> Cassandra {
        let inner = Inner {
            settings,
            model: Arc::clone(model),
            opened: OnceCell::new(),
            version: OnceLock::new(),
            author: Uuid::new_v4().to_string(),
        };
        Cassandra { inner: Arc::new(inner) }
    }

    /// The same one, connected.
    ///
    /// *Errors*: no node can be reached, or there is no such keyspace.
    pub fn open(settings: Settings, model: &Arc<Model>) -> Answer<Cassandra> {
        let store = Cassandra::new(settings, model);
        let ping = store.ping();
        Box::pin(async move {
            ping.await?;
            Ok(store)
        })
    }

    fn run<T, W>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a Session, &'a Tables) -> Work<'a, T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        executor::run(async move {
            let opened = inner.opened().await.map_err(named)?;
            work(&opened.session, &opened.tables).await.map_err(named)
        })
    }

    fn at(&self, kind: &str, place: Place, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, view) = (kind.to_owned(), view.clone());
        self.run(|session, tables| {
            Box::pin(async move { read::at(session, tables.of(&kind)?, &place, &view).await })
        })
    }
}

impl Inner {
    async fn opened(&self) -> Result<&Opened, DbError> {
        self.opened
            .get_or_try_init(|| async {
                let session = Session::open(&self.settings).await?;
                let tables = Tables::read(&session, &self.settings.keyspace, &self.model);
                Ok(Opened { session, tables })
            })
            .await
    }
}

/// *Kong parity*: the database's name stands before its words.
fn named(mut error: DbError) -> DbError {
    const NAME: &str = "[Cassandra error]";
    if error.code == ErrorCode::DatabaseError && !error.message.starts_with(NAME) {
        error.message = format!("{NAME} {}", error.message);
    }
    error
}

impl Store for Cassandra {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            strategy: "cassandra",
            database: self.inner.settings.keyspace.clone(),
            description: "keyspace".to_owned(),
            version: self.inner.version.get().cloned().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    fn author(&self) -> &str {
        &self.inner.author
    }

    fn ping(&self) -> Answer<()> {
        let inner = Arc::clone(&self.inner);
        self.run(|session, _| {
            Box::pin(async move {
                let version = super::migrator::release(session.driver()).await?;
                let _ = inner.version.set(version);
                Ok(())
            })
        })
    }

    fn select(&self, kind: &str, key: &Entity, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.at(kind, Place::Key(key.clone()), view)
    }

    fn select_by(&self, kind: &str, field: &str, value: &Value, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.at(kind, Place::Field(field.to_owned(), value.clone()), view)
    }

    fn select_by_cache_key(&self, kind: &str, cache_key: &str, view: &View) -> Answer<Option<Arc<Entity>>> {
        let place = Place::Field("cache_key".to_owned(), Value::from(cache_key));
        self.at(kind, place, view)
    }

    fn page(&self, kind: &str, query: &Query, view: &View) -> Answer<Page> {
        let (kind, query, view) = (kind.to_owned(), query.clone(), view.clone());
        self.run(|session, tables| {
            Box::pin(async move { read::page(session, tables.of(&kind)?, &query, &view).await })
        })
    }

    fn load(&self, kinds: &[&str]) -> Answer<Entities> {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.run(|session, tables| Box::pin(async move { read::load(session, tables, &kinds).await }))
    }

    fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>> {
        let author = self.inner.author.clone();
        self.run(|session, tables| {
            Box::pin(async move { write::write(session, tables, &author, changes).await })
        })
    }

    fn truncate(&self, kind: &str) -> Answer<()> {
        let (author, kind) = (self.inner.author.clone(), kind.to_owned());
        self.run(|session, tables| {
            Box::pin(async move { write::truncate(session, tables, &author, &kind).await })
        })
    }

    fn page_tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Answer<TagPage> {
        let (tag, offset) = (tag.map(str::to_owned), offset.map(str::to_owned));
        self.run(move |session, tables| {
            Box::pin(async move { read::page_tags(session, tables, tag, size, offset).await })
        })
    }

    fn add_event(&self, event: ClusterEvent) -> Answer<()> {
        self.run(|session, _| Box::pin(async move { aside::add_event(session, &event).await }))
    }

    fn events_since(&self, channels: &[&str], after: f64) -> Answer<(Vec<ClusterEvent>, f64)> {
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        self.run(move |session, _| {
            Box::pin(async move { aside::events_since(session, channels, after).await })
        })
    }

    fn take_lock(&self, lock: Lock) -> Answer<bool> {
        self.run(|session, _| Box::pin(async move { aside::take_lock(session, lock).await }))
    }

    fn lock_owner(&self, key: &str) -> Answer<Option<String>> {
        let key = key.to_owned();
        self.run(|session, _| Box::pin(async move { aside::lock_owner(session, key).await }))
    }

    fn release_lock(&self, key: &str, owner: &str) -> Answer<()> {
        let (key, owner) = (key.to_owned(), owner.to_owned());
        self.run(|session, _| Box::pin(async move { aside::release_lock(session, key, owner).await }))
    }

    fn count(&self, counted: Vec<(Counter, i64, f64)>) -> Answer<()> {
        self.run(|session, _| Box::pin(async move { aside::count(session, counted).await }))
    }

    fn counted(&self, counter: &Counter) -> Answer<Option<i64>> {
        let counter = counter.clone();
        self.run(|session, _| Box::pin(async move { aside::counted(session, counter).await }))
    }

    fn sweep(&self) -> Answer<u64> {
        self.run(|session, _| Box::pin(async move { aside::sweep(session).await }))
    }
}
