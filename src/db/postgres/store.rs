//! The store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use super::pool::Pool;
use super::session::Session;
use super::tables::Tables;
use super::{Settings, aside, listen, read, write};
use crate::db::{
    Answer, Change, ClusterEvent, Counter, DbError, Entities, Entity, Lock, Model, Page, Place, Query, Store,
    StoreInfo, TagPage, View, Written, executor,
};

/// The store on a PostgreSQL server, and on a second one that is only read from where there is one.
#[derive(Debug, Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
    /// Whether reads go to the second server.
    reads_replica: bool,
}

#[derive(Debug)]
pub(super) struct Inner {
    model: Arc<Model>,
    writer: Arc<Pool>,
    reader: Option<Arc<Pool>>,
    tables: OnceCell<Tables>,
    /// Who the notifications of this store come from.
    author: String,
    pub(super) notices: watch::Sender<u64>,
}

/// Work on a connection.
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbError>> + Send + 'a>>;

impl Postgres {
    /// A store that connects when it is first asked.
    pub fn new(settings: Settings, read_only: Option<Settings>, model: &Arc<Model>) -> Postgres {
        let (notices, _) = watch::channel(0);
        let inner = Inner {
            model: Arc::clone(model),
            writer: Arc::new(Pool::new(settings)),
            reader: read_only.map(|settings| Arc::new(Pool::new(settings))),
            tables: OnceCell::new(),
            author: Uuid::new_v4().to_string(),
            notices,
        };
        Postgres { inner: Arc::new(inner), reads_replica: false }
    }

    /// The same one, connected, and hearing of what other nodes write from here on.
    ///
    /// *Errors*: the server cannot be reached.
    pub fn open(settings: Settings, read_only: Option<Settings>, model: &Arc<Model>) -> Answer<Postgres> {
        let store = Postgres::new(settings, read_only, model);
        let ping = store.ping();
        Box::pin(async move {
            ping.await?;
            store.listen();
            Ok(store)
        })
    }

    /// Begins to hear of what other nodes write, also if the server cannot be reached yet.
    pub fn listen(&self) {
        let inner = &self.inner;
        let (settings, author) = (inner.writer.settings().clone(), inner.author.clone());
        let listening = listen::listen(settings, author, Arc::downgrade(inner));
        // It goes on when the answer is dropped.
        drop(executor::run(async move {
            listening.await;
            Ok(())
        }));
    }

    fn read<T, W>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Session, &'a Tables) -> Work<'a, T> + Send + 'static,
    {
        let inner = &self.inner;
        let pool = inner.reader.as_ref().filter(|_| self.reads_replica).unwrap_or(&inner.writer);
        Inner::on(inner, Arc::clone(pool), work)
    }

    fn change<T, W>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Session, &'a Tables) -> Work<'a, T> + Send + 'static,
    {
        Inner::on(&self.inner, Arc::clone(&self.inner.writer), work)
    }
}

impl Inner {
    fn on<T, W>(inner: &Arc<Inner>, pool: Arc<Pool>, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Session, &'a Tables) -> Work<'a, T> + Send + 'static,
    {
        let inner = Arc::clone(inner);
        executor::run(async move {
            let mut lease = pool.lease().await.map_err(named)?;
            let answer = match inner.tables(&mut lease.session).await {
                Ok(tables) => work(&mut lease.session, tables).await,
                Err(error) => Err(error),
            };
            lease.give_back();
            answer.map_err(named)
        })
    }

    async fn tables(&self, session: &mut Session) -> Result<&Tables, DbError> {
        self.tables.get_or_try_init(|| Tables::read(session, &self.model)).await
    }
}

/// *Kong parity*: the database's name stands before its words.
fn named(mut error: DbError) -> DbError {
    const NAME: &str = "[PostgreSQL error]";
    if error.code == crate::db::ErrorCode::DatabaseError && !error.message.starts_with(NAME) {
        error.message = format!("{NAME} {}", error.message);
    }
    error
}

impl Store for Postgres {
    fn info(&self) -> StoreInfo {
        let writer = &self.inner.writer;
        StoreInfo {
            strategy: "postgres",
            database: writer.settings().database.clone(),
            description: "PostgreSQL".to_owned(),
            version: writer.version().cloned().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    fn author(&self) -> &str {
        &self.inner.author
    }

    fn for_workers(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(Postgres { inner: Arc::clone(&self.inner), reads_replica: true }))
    }

    fn ping(&self) -> Answer<()> {
        self.read(|session, _| {
            Box::pin(
                async move { session.run("SELECT 1").await.map_err(|error| super::session::told(&error)) },
            )
        })
    }

    fn select(&self, kind: &str, key: &Entity, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.at(kind, Place::Key(key.clone()), view)
    }

    fn select_by(&self, kind: &str, field: &str, value: &Value, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.at(kind, Place::Field(field.to_owned(), value.clone()), view)
    }

    fn select_by_cache_key(&self, kind: &str, cache_key: &str, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, cache_key, view) = (kind.to_owned(), cache_key.to_owned(), view.clone());
        self.read(|session, tables| {
            Box::pin(async move { read::at_cache_key(session, tables.of(&kind)?, cache_key, &view).await })
        })
    }

    fn page(&self, kind: &str, query: &Query, view: &View) -> Answer<Page> {
        let (kind, query, view) = (kind.to_owned(), query.clone(), view.clone());
        self.read(|session, tables| {
            Box::pin(async move { read::page(session, tables.of(&kind)?, &query, &view).await })
        })
    }

    fn load(&self, kinds: &[&str]) -> Answer<Entities> {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.read(|session, tables| Box::pin(async move { read::load(session, tables, &kinds).await }))
    }

    fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>> {
        let author = self.inner.author.clone();
        self.change(|session, tables| {
            Box::pin(async move { write::write(session, tables, &author, changes).await })
        })
    }

    fn truncate(&self, kind: &str) -> Answer<()> {
        let (author, kind) = (self.inner.author.clone(), kind.to_owned());
        self.change(|session, tables| {
            Box::pin(async move { write::truncate(session, tables, &author, &kind).await })
        })
    }

    fn page_tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Answer<TagPage> {
        let (tag, offset) = (tag.map(str::to_owned), offset.map(str::to_owned));
        self.read(move |session, tables| {
            Box::pin(async move { read::page_tags(session, tables, tag, size, offset).await })
        })
    }

    fn add_event(&self, event: ClusterEvent) -> Answer<()> {
        let author = self.inner.author.clone();
        self.change(|session, _| Box::pin(async move { aside::add_event(session, &author, event).await }))
    }

    fn events_since(&self, channels: &[&str], after: f64) -> Answer<(Vec<ClusterEvent>, f64)> {
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        self.change(move |session, _| {
            Box::pin(async move { aside::events_since(session, channels, after).await })
        })
    }

    fn take_lock(&self, lock: Lock) -> Answer<bool> {
        self.change(|session, _| Box::pin(async move { aside::take_lock(session, lock).await }))
    }

    fn lock_owner(&self, key: &str) -> Answer<Option<String>> {
        let key = key.to_owned();
        self.change(|session, _| Box::pin(async move { aside::lock_owner(session, key).await }))
    }

    fn release_lock(&self, key: &str, owner: &str) -> Answer<()> {
        let (key, owner) = (key.to_owned(), owner.to_owned());
        self.change(|session, _| Box::pin(async move { aside::release_lock(session, key, owner).await }))
    }

    fn count(&self, counted: Vec<(Counter, i64, f64)>) -> Answer<()> {
        self.change(|session, _| Box::pin(async move { aside::count(session, counted).await }))
    }

    fn counted(&self, counter: &Counter) -> Answer<Option<i64>> {
        let counter = counter.clone();
        self.change(|session, _| Box::pin(async move { aside::counted(session, counter).await }))
    }

    fn sweep(&self) -> Answer<u64> {
        self.change(|session, tables| Box::pin(async move { aside::sweep(session, tables).await }))
    }

    fn notices(&self) -> Option<watch::Receiver<u64>> {
        Some(self.inner.notices.subscribe())
    }
}

impl Postgres {
    fn at(&self, kind: &str, place: Place, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, view) = (kind.to_owned(), view.clone());
        self.read(|session, tables| {
            Box::pin(async move { read::at(session, tables.of(&kind)?, &place, &view, "").await })
        })
    }
}
