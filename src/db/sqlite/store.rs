//! The store.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    Sqlite as Database, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::sql::{failed, integer, row};
use super::table::Table;
use super::{aside, layout, read, write};
use crate::db::store::unknown_kind;
use crate::db::{
    Answer, Change, ClusterEvent, Counter, DbError, Entities, Entity, Lock, Model, Page, Query, Store,
    StoreInfo, TagPage, View, Written, executor,
};

/// How long a statement waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that read.
const READERS: u32 = 4;
/// How often it is looked whether another process wrote.
const LOOK: Duration = Duration::from_millis(500);

/// The store in a file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: String,
    version: String,
    author: String,
    tables: Tables,
    /// One connection.
    writer: SqlitePool,
    readers: SqlitePool,
    notices: watch::Sender<u64>,
}

/// The tables of all kinds.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) model: Arc<Model>,
    tables: IndexMap<String, Table>,
}

impl Tables {
    fn new(model: &Arc<Model>) -> Tables {
        // Tags are kept by the store: no entity is one.
        let kinds = model.kinds().filter(|kind| kind.name != "tags");
        let tables = kinds.map(|kind| (kind.name.clone(), Table::new(kind, model))).collect();
        Tables { model: Arc::clone(model), tables }
    }

    pub(super) fn of(&self, kind: &str) -> Result<&Table, DbError> {
        self.known(kind).ok_or_else(|| unknown_kind(kind))
    }

    pub(super) fn known(&self, kind: &str) -> Option<&Table> {
        self.tables.get(kind)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }
}

impl Sqlite {
    /// Opens a file, which is made if it is not there; makes and completes the tables of all kinds.
    ///
    /// # Errors
    /// A file that cannot be opened, written or is no database; the text names it.
    pub fn open(file: &Path, model: &Arc<Model>) -> Answer<Sqlite> {
        let (file, model) = (file.to_owned(), Arc::clone(model));
        executor::run(async move {
            let name = file.display().to_string();
            let opened = open(&file, &model).await;
            opened.map_err(|error| DbError::database(format!("{name}: {}", error.message)))
        })
    }

    fn read<T, W, F>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Inner>, PoolConnection<Database>) -> F + Send + 'static,
        F: Future<Output = Result<T, DbError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        executor::run(async move {
            let connection = inner.readers.acquire().await.map_err(failed)?;
            work(inner, connection).await
        })
    }

    fn change<T, W, F>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Inner>, PoolConnection<Database>) -> F + Send + 'static,
        F: Future<Output = Result<T, DbError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        executor::run(async move {
            let connection = inner.writer.acquire().await.map_err(failed)?;
            work(inner, connection).await
        })
    }
}

/// Makes the file, if it is not there, such that nobody else can read it: there are secrets in it.
fn make(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(drop)
}

async fn open(file: &Path, model: &Arc<Model>) -> Result<Sqlite, DbError> {
    make(file).map_err(|error| DbError::database(error.to_string()))?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .statement_cache_capacity(500);
    let pool = |size, options: SqliteConnectOptions| {
        let pool = SqlitePoolOptions::new().max_connections(size).idle_timeout(None).max_lifetime(None);
        pool.acquire_timeout(PATIENCE).connect_with(options)
    };
    let writer = pool(1, options.clone()).await.map_err(failed)?;
    let tables = Tables::new(model);
    let mut connection = writer.acquire().await.map_err(failed)?;
    layout::complete(&mut connection, tables.all()).await?;
    let version = row(&mut connection, "SELECT sqlite_version()", Vec::new()).await?;
    let version = version.map(|row| super::sql::text(&row, 0)).transpose()?.unwrap_or_default();
    drop(connection);
    let readers = pool(READERS, options.read_only(true)).await.map_err(failed)?;
    let (notices, _) = watch::channel(0);
    let file = file.display().to_string();
    let inner = Arc::new(Inner {
        file,
        version,
        author: Uuid::new_v4().to_string(),
        tables,
        writer,
        readers,
        notices,
    });
    tokio::spawn(look_for_others(Arc::downgrade(&inner)));
    Ok(Sqlite { inner })
}

/// Tells when another process wrote: the version of the data, as the connection that writes sees it, is another one.
async fn look_for_others(inner: std::sync::Weak<Inner>) {
    let mut known = None;
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let Ok(mut connection) = inner.writer.acquire().await else { continue };
        let found = row(&mut connection, "PRAGMA data_version", Vec::new()).await;
        let Ok(Some(version)) = found.and_then(|row| row.map(|row| integer(&row, 0)).transpose()) else {
            continue;
        };
        if known.replace(version).is_some_and(|before| before != version) {
            inner.notices.send_modify(|count| *count += 1);
        }
    }
}

impl Store for Sqlite {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            strategy: "sqlite",
            database: self.inner.file.clone(),
            description: "SQLite".to_owned(),
            version: self.inner.version.clone(),
        }
    }

    fn author(&self) -> &str {
        &self.inner.author
    }

    fn ping(&self) -> Answer<()> {
        self.read(
            |_, mut connection| async move { row(&mut connection, "SELECT 1", Vec::new()).await.map(drop) },
        )
    }

    fn select(&self, kind: &str, key: &Entity, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, key, view) = (kind.to_owned(), key.clone(), view.clone());
        self.read(|inner, mut connection| async move {
            read::select(&mut connection, inner.tables.of(&kind)?, &key, &view).await
        })
    }

    fn select_by(&self, kind: &str, field: &str, value: &Value, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, field, value, view) = (kind.to_owned(), field.to_owned(), value.clone(), view.clone());
        self.read(|inner, mut connection| async move {
            read::select_by(&mut connection, inner.tables.of(&kind)?, &field, &value, &view).await
        })
    }

    fn select_by_cache_key(&self, kind: &str, cache_key: &str, view: &View) -> Answer<Option<Arc<Entity>>> {
        let (kind, cache_key, view) = (kind.to_owned(), cache_key.to_owned(), view.clone());
        self.read(|inner, mut connection| async move {
            read::select_by_cache_key(&mut connection, inner.tables.of(&kind)?, cache_key, &view).await
        })
    }

    fn page(&self, kind: &str, query: &Query, view: &View) -> Answer<Page> {
        let (kind, query, view) = (kind.to_owned(), query.clone(), view.clone());
        self.read(|inner, mut connection| async move {
            read::page(&mut connection, inner.tables.of(&kind)?, &query, &view).await
        })
    }

    fn load(&self, kinds: &[&str]) -> Answer<Entities> {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.read(|inner, mut connection| async move {
            let tables: Vec<&Table> = kinds.iter().filter_map(|kind| inner.tables.known(kind)).collect();
            read::load(&mut connection, tables.into_iter()).await
        })
    }

    fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>> {
        self.change(|inner, mut connection| async move {
            write::write(&mut connection, &inner.tables, changes, &inner.author).await
        })
    }

    fn truncate(&self, kind: &str) -> Answer<()> {
        let kind = kind.to_owned();
        self.change(|inner, mut connection| async move {
            write::truncate(&mut connection, &inner.tables, &kind).await
        })
    }

    fn page_tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Answer<TagPage> {
        let (tag, offset) = (tag.map(str::to_owned), offset.map(str::to_owned));
        self.read(move |_, mut connection| async move {
            read::page_tags(&mut connection, tag, size, offset).await
        })
    }

    fn add_event(&self, event: ClusterEvent) -> Answer<()> {
        self.change(|_, mut connection| async move { aside::add_event(&mut connection, event).await })
    }

    fn events_since(&self, channels: &[&str], after: f64) -> Answer<(Vec<ClusterEvent>, f64)> {
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        self.read(move |_, mut connection| async move {
            aside::events_since(&mut connection, channels, after).await
        })
    }

    fn take_lock(&self, lock: Lock) -> Answer<bool> {
        self.change(|_, mut connection| async move { aside::take_lock(&mut connection, lock).await })
    }

    fn lock_owner(&self, key: &str) -> Answer<Option<String>> {
        let key = key.to_owned();
        self.read(|_, mut connection| async move { aside::lock_owner(&mut connection, key).await })
    }

    fn release_lock(&self, key: &str, owner: &str) -> Answer<()> {
        let (key, owner) = (key.to_owned(), owner.to_owned());
        self.change(|_, mut connection| async move { aside::release_lock(&mut connection, key, owner).await })
    }

    fn count(&self, counted: Vec<(Counter, i64, f64)>) -> Answer<()> {
        self.change(|_, mut connection| async move { aside::count(&mut connection, counted).await })
    }

    fn counted(&self, counter: &Counter) -> Answer<Option<i64>> {
        let counter = counter.clone();
        self.read(|_, mut connection| async move { aside::counted(&mut connection, counter).await })
    }

    fn sweep(&self) -> Answer<u64> {
        self.change(|inner, mut connection| async move { aside::sweep(&mut connection, &inner.tables).await })
    }

    fn notices(&self) -> Option<watch::Receiver<u64>> {
        Some(self.inner.notices.subscribe())
    }
}
