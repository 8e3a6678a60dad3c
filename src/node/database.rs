//! The database of a node: opened and loaded at the start, and asked for what it keeps.

use super::Configuration;
use super::cluster::Cluster;
use super::effect::Effect;
use super::entities::EntitySource;
use super::standby::Standby;
use crate::conf::{Conf, ConfValue, Database as Kind};
use crate::db::cassandra::{self, Cassandra};
use crate::db::dao::Unobserved;
use crate::db::migrations::{MigrationError, SchemaState};
use crate::db::migrator::{Migrator, bundled_for};
use crate::db::off::DEFAULT_WORKSPACE;
use crate::db::postgres::{Postgres, Settings};
use crate::db::sqlite::Sqlite;
use crate::db::{Answer, Dao, DaoOptions, DbError, Entity, ErrorCode, Heard, Model, Store, View};
use crate::entities::Registry;
use crate::lua::Vm;
use crate::observability::log;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, spawn_local};

/// How often what has expired is removed, and how seldom at least.
const SWEEP: Duration = Duration::from_secs(300);
const SELDOM: f64 = 86_400.0;
/// How long it is waited until a database that is away is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// How many batches of changes are put in force at once.
const AT_ONCE: usize = 256;

/// The database of the control thread.
pub(super) struct Database {
    dao: Dao,
    effect: Rc<Effect>,
    cluster: Cluster,
    standby: Standby,
    /// How often it is looked what others wrote, where the store does not tell.
    frequency: Duration,
    /// How often what has expired is removed.
    sweeping: Duration,
    /// What workers write.
    heard: RefCell<Option<UnboundedReceiver<Heard>>>,
    /// The task that puts it in force.
    hearing: RefCell<Option<JoinHandle<()>>>,
}

impl Database {
    /// Opens the configured database, or the copy of it while it is away; `None` if there is none.
    ///
    /// *Errors*: a database that cannot be opened or is not prepared, in words for who starts the node.
    pub(super) async fn open(
        shared: &Arc<Configuration>,
        source: &Rc<EntitySource>,
        vm: &Vm,
    ) -> Result<Option<Rc<Database>>, String> {
        let model = source.reader.model();
        let Some(opening) = connect(&shared.conf, model)? else { return Ok(None) };
        let effect = Effect::new(shared, source, vm)?;
        let standby = Standby::new(&shared.conf);
        let (store, cluster, workspace) = match load(opening, shared, source, &effect).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_away() => {
                let workspace = standby.restore(&effect, source, &error)?;
                let store = later(&shared.conf, model);
                let cluster = Cluster::new(&store, &shared.node_id);
                (store, cluster, workspace)
            }
            Err(error) => return Err(error.to_string()),
        };
        let for_workers = store.for_workers().unwrap_or_else(|| Arc::clone(&store));
        let heard = shared.connector.connect(for_workers);
        let dao = Dao::new(source.registry.clone(), Arc::clone(model), store, &workspace, effect.clone());
        Ok(Some(Rc::new(Database {
            dao,
            effect,
            cluster,
            standby,
            frequency: shared.conf.db_update_frequency,
            sweeping: sweeping(&shared.conf),
            heard: RefCell::new(Some(heard)),
            hearing: RefCell::default(),
        })))
    }

    /// Access to it.
    pub(super) fn dao(&self) -> &Dao {
        &self.dao
    }

    /// Puts what was loaded in force.
    ///
    /// *Errors*: rows of which no snapshot can be made.
    pub(super) async fn publish_first(&self) -> Result<String, String> {
        self.effect.publish().map_err(|error| error.to_string())?;
        self.effect.start().await;
        if let Some(heard) = self.heard.take() {
            // Plugins may write while they start.
            *self.hearing.borrow_mut() = Some(spawn_local(hear(self.effect.clone(), heard)));
        }
        Ok(String::new())
    }

    /// What goes on while the node serves.
    pub(super) fn tasks(self: &Rc<Self>) -> Vec<JoinHandle<()>> {
        let mut tasks = vec![spawn_local(sweep(Arc::clone(self.dao.store()), self.sweeping))];
        tasks.extend(self.hearing.take());
        tasks.push(spawn_local(follow(self.clone())));
        tasks
    }

    /// To be called when the node does not serve any more.
    pub(super) fn finish(&self) {
        self.standby.finish(&self.effect);
    }

    /// Asks a database anew that was away when the node started.
    ///
    /// *Errors*: it is still away, is not prepared, or is another one; all stays as it was then.
    async fn catch_up(&self, conf: &Conf) -> Result<(), DbError> {
        let store = self.dao.store();
        prepared(conf).await?;
        let workspace = default_workspace(store, self.dao.registry(), self.dao.model()).await?;
        if workspace != self.dao.default_workspace() {
            let message = "the database is not the one that was kept, its default workspace has another id; \
                restart the node to be run by it";
            return Err(DbError::database(message));
        }
        name_cluster(store, self.dao.registry(), self.dao.model()).await?;
        self.cluster.begin().await?;
        self.effect.reload(store).await
    }
}

/// Opens a database and loads what the gateway is run by. Gives the store, what follows its other writers, and the
/// default workspace.
///
/// *Errors*: the database's.
async fn load(
    opening: Answer<Arc<dyn Store>>,
    shared: &Configuration,
    source: &EntitySource,
    effect: &Effect,
) -> Result<(Arc<dyn Store>, Cluster, String), DbError> {
    let store = opening.await?;
    let model = source.reader.model();
    let workspace = default_workspace(&store, &source.registry, model).await?;
    name_cluster(&store, &source.registry, model).await?;
    let cluster = Cluster::new(&store, &shared.node_id);
    cluster.begin().await?;
    effect.load(&store).await?;
    Ok((store, cluster, workspace))
}

/// A store that connects as soon as its server is there.
fn later(conf: &Conf, model: &Arc<Model>) -> Arc<dyn Store> {
    if conf.database == Kind::Cassandra {
        return Arc::new(Cassandra::new(cassandra::Settings::of(conf), model));
    }
    let store = Postgres::new(Settings::of(conf), Settings::read_only(conf), model);
    store.listen();
    Arc::new(store)
}

/// Refuses a database that is not prepared, as `kong start` does.
///
/// The migrations of plugins that do not come with the gateway are not looked at: who adds such a plugin starts the
/// node anew.
///
/// *Errors*: which command prepares it.
async fn prepared(conf: &Conf) -> Result<(), DbError> {
    let failed = |error| match error {
        MigrationError::Away(words) => DbError::away(words),
        error => DbError::database(error.to_string()),
    };
    let mut migrator = Migrator::connect(conf, None).await.map_err(failed)?;
    let recorded = migrator.schema_meta().await;
    migrator.close().await;
    let state = SchemaState::of(&bundled_for(conf), recorded.map_err(failed)?.as_deref());
    if state.needs_bootstrap {
        return Err(DbError::database("the database has no tables; run 'kong migrations bootstrap'"));
    }
    if !state.new.is_empty() {
        return Err(DbError::database("New migrations available; run 'kong migrations up' to proceed"));
    }
    Ok(())
}

/// Access for a command, which ends when it has written: nothing is put in force but by the nodes that hear of it.
///
/// To be called within a [`LocalSet`](tokio::task::LocalSet).
///
/// # Errors
/// There is no database, or it cannot be opened.
pub async fn dao_of_command(conf: &Conf, registry: &Registry, model: &Arc<Model>) -> Result<Dao, String> {
    let opening =
        connect(conf, model)?.ok_or_else(|| "there is no database with database = off".to_owned())?;
    let store = opening.await.map_err(|error| error.to_string())?;
    let prepared = async {
        let workspace = default_workspace(&store, registry, model).await?;
        name_cluster(&store, registry, model).await?;
        Ok(workspace)
    };
    let workspace = prepared.await.map_err(|error: DbError| error.to_string())?;
    Ok(Dao::new(registry.clone(), Arc::clone(model), store, &workspace, Rc::new(Unobserved)))
}

/// The store of a configuration, which is being opened.
pub(super) fn connect(conf: &Conf, model: &Arc<Model>) -> Result<Option<Answer<Arc<dyn Store>>>, String> {
    match conf.storage().map_err(|error| error.to_string())? {
        Kind::Sqlite => {
            let opening = Sqlite::open(&conf.sqlite_file(), model);
            Ok(Some(Box::pin(async move { Ok(Arc::new(opening.await?) as Arc<dyn Store>) })))
        }
        Kind::Postgres => {
            let opening = Postgres::open(Settings::of(conf), Settings::read_only(conf), model);
            Ok(Some(Box::pin(async move { Ok(Arc::new(opening.await?) as Arc<dyn Store>) })))
        }
        Kind::Cassandra => {
            let opening = Cassandra::open(cassandra::Settings::of(conf), model);
            Ok(Some(Box::pin(async move { Ok(Arc::new(opening.await?) as Arc<dyn Store>) })))
        }
        Kind::Off => Ok(None),
    }
}

/// The id of the default workspace, which is made in a database that has none.
async fn default_workspace(
    store: &Arc<dyn Store>,
    registry: &Registry,
    model: &Arc<Model>,
) -> Result<String, DbError> {
    let find = || store.select_by("workspaces", "name", &Value::from("default"), &View::default());
    let id = |row: &Entity| row.get("id").and_then(Value::as_str).map(str::to_owned);
    let known = find().await?;
    if let Some(id) = known.and_then(|row| id(&row)) {
        return Ok(id);
    }
    let (registry, model) = (registry.clone(), Arc::clone(model));
    let dao = Dao::new(registry, model, Arc::clone(store), DEFAULT_WORKSPACE, Rc::new(Unobserved));
    let Value::Object(workspace) = json!({"id": DEFAULT_WORKSPACE, "name": "default"}) else {
        return Ok(DEFAULT_WORKSPACE.to_owned());
    };
    match dao.insert("workspaces", workspace, &DaoOptions::default()).await {
        Ok(workspace) => Ok(id(&workspace).unwrap_or_default()),
        // Another process has just made it.
        Err(error) => match find().await {
            Ok(Some(row)) => Ok(id(&row).unwrap_or_default()),
            _ => Err(error),
        },
    }
}

/// Gives the nodes that share a database an id in common, if they have none.
async fn name_cluster(
    store: &Arc<dyn Store>,
    registry: &Registry,
    model: &Arc<Model>,
) -> Result<(), DbError> {
    const KEY: &str = "cluster_id";
    let key = Entity::from_iter([("key".to_owned(), Value::from(KEY))]);
    let known = store.select("parameters", &key, &View::default()).await?;
    if known.is_some() {
        return Ok(());
    }
    let (registry, model) = (registry.clone(), Arc::clone(model));
    let dao = Dao::new(registry, model, Arc::clone(store), DEFAULT_WORKSPACE, Rc::new(Unobserved));
    let value = Value::from(uuid::Uuid::new_v4().to_string());
    let id = Entity::from_iter([("key".to_owned(), Value::from(KEY)), ("value".to_owned(), value)]);
    match dao.insert("parameters", id, &DaoOptions::default()).await {
        // Another process has just made it.
        Err(error) if error.code != ErrorCode::PrimaryKeyViolation => Err(error),
        _ => Ok(()),
    }
}

/// How long it takes from one removal of what has expired to the next.
fn sweeping(conf: &Conf) -> Duration {
    match conf.value("_debug_pg_ttl_cleanup_interval") {
        Some(ConfValue::Number(seconds)) if *seconds > 0.0 => Duration::from_secs_f64(seconds.min(SELDOM)),
        _ => SWEEP,
    }
}

/// Removes, now and then, what has expired.
async fn sweep(store: Arc<dyn Store>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = store.sweep().await {
            log::warn!("expired rows stay in the database: {error}");
        }
    }
}

/// Puts in force what workers write, as much at once as there is.
async fn hear(effect: Rc<Effect>, mut heard: UnboundedReceiver<Heard>) {
    let mut batch = Vec::new();
    while heard.recv_many(&mut batch, AT_ONCE).await > 0 {
        let written: Vec<_> = batch.iter_mut().flat_map(|heard| std::mem::take(&mut heard.written)).collect();
        effect.took(&written).await;
        batch.clear();
    }
}

/// Puts in force what others write, and keeps a copy of what is in force; what came from that copy is put right first.
async fn follow(database: Rc<Database>) {
    if database.standby.is_served() {
        wait_for(&database).await;
    }
    let follow = database.cluster.follow(&database.effect, database.frequency);
    tokio::join!(follow, database.standby.keep(&database.effect));
}

/// Waits until a database is back that was away when the node started, and puts in force what it has.
async fn wait_for(database: &Database) {
    let mut told = String::new();
    while let Err(error) = database.catch_up(database.effect.conf()).await {
        let words = error.to_string();
        // that it is away was told at the start
        if !error.is_away() && told != words {
            log::warn!("the node still serves from the kept copy of the database: {words}");
            told = words;
        }
        tokio::time::sleep(RETRY).await;
    }
    database.standby.ended();
    log::notice!("the database is back: what it has is in force, the kept copy is no longer served from");
}
