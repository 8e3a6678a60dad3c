//! The control thread: makes snapshots, serves Admin and Status API.

use super::Configuration;
use super::admin::AdminNode;
use super::database::Database;
use super::entities::{EntitySource, Prepared, Read, SourceError};
use super::prober::Prober;
use crate::admin::{self, Api, Listener, Logs};
use crate::balancer::Balancers;
use crate::conf::{Conf, Listen, Server};
use crate::db::declarative::document::Document;
use crate::db::declarative::{ConfigError, Configuration as DeclarativeConfiguration};
use crate::lua::Vm;
use crate::lua::pdk::worker_events;
use crate::observability::{Level, log};
use crate::proxy::tls::{ServerTls, SnapshotTrust};
use crate::proxy::upstream::UpstreamTls;
use crate::runtime::{self, ControlSetup, Inherited, Order, Socket, resolve};
use crate::shm::{Found, Kind, Value};
use crate::status;
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a changed configuration is prepared on cores that nobody else wants; with the 100 ms until a row of
/// changes counts as over, and as much again for the work itself, it is in force within a second on busy ones, too.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long requests are given to let go of an old snapshot before they are asked again.
const LET_GO: Duration = Duration::from_millis(100);

/// How many bytes the VM may hold that nobody needs before they are freed.
const GARBAGE: usize = 4 << 20;

/// The shared dictionary, and the key in it, that hold the hash of the declarative configuration read last.
pub(super) const DICT: &str = "kong";
const LAST_READ: &[u8] = b"declarative_config:last_read";

/// The key in it that is false once the node was told to leave service; Kong's.
const READY: &[u8] = b"kong:status:ready";

/// The state of the control thread, shared by its tasks.
pub(super) struct Control {
    /// What all threads share.
    pub(super) shared: Arc<Configuration>,
    /// Schemas, and the way from text to snapshot.
    pub(super) source: Rc<EntitySource>,
    /// The database, if there is one.
    pub(super) database: Option<Rc<Database>>,
    /// `jit.version`: what `GET /` calls the Lua version.
    pub(super) lua_version: String,
    /// Holds the functions of Lua schemas, and runs the endpoints of plugins.
    pub(super) vm: Vm,
    /// What is known of upstreams, for the APIs and for active checks.
    pub(super) balancers: Rc<Balancers>,
    /// The shared dictionaries.
    pub(super) dicts: crate::shm::Dicts,
    /// When the level of the error log is the configured one again, in seconds since 1970.
    pub(super) level_until: Cell<f64>,
    /// How many bytes the VM held after the last collection.
    live_memory: Cell<usize>,
}

/// Runs the control thread until it is ordered to end.
pub(super) async fn run(setup: ControlSetup<Configuration>) -> Result<(), String> {
    let shared = setup.configuration;
    shared.health.record_in(setup.dicts.find(super::worker::HEALTH_DICT));
    let vm = super::worker::make_vm(&shared, None, setup.workers, &setup.dicts)?;
    let source = Rc::new(super::schemas::load(&vm, &shared)?);
    let database = Database::open(&shared, &source, &vm).await?;
    let balancers = super::worker::balancers(&shared, None);
    let control = Rc::new(Control {
        shared,
        balancers,
        source,
        database,
        lua_version: vm.lua().load("return jit.version").eval().unwrap_or_default(),
        vm,
        dicts: setup.dicts,
        level_until: Cell::new(0.0),
        live_memory: Cell::new(0),
    });
    super::log_level::take_over(&control);
    let hash = match &control.database {
        Some(database) => database.publish_first().await?,
        None => runtime::apart(|| control.publish_first())?,
    };
    let (admin, status) = (AdminNode::new(&control, "api")?, AdminNode::new(&control, "status_api")?);
    admin.plugins().start().await;
    let (admin_api, status_api) = (Api::admin(Box::new(admin)), status::api(Box::new(status)));
    if !setup.ready.announce().await {
        return Ok(());
    }
    control.note_read(&hash);
    runtime::give_way();
    // A socket may only be registered once it listens, which the announcement waits for.
    let listeners = Listeners::sort(&control, setup.sockets)?;
    let (admin_logs, status_logs) = logs(&control.shared.conf)?;
    let serve = |listeners, api: Api| tokio::task::spawn_local(admin::serve(listeners, Rc::new(api)));
    let mut tasks = vec![
        serve(listeners.admin, admin_api.with_logs(admin_logs)),
        serve(listeners.status, status_api.with_logs(status_logs)),
        tokio::task::spawn_local(follow_file(control.clone(), setup.declarative_changes)),
        tokio::task::spawn_local(free_snapshots(control.clone())),
        tokio::task::spawn_local(probe(control.clone())),
        tokio::task::spawn_local(renew_targets(control.clone())),
        tokio::task::spawn_local(super::log_level::follow(control.clone())),
        tokio::task::spawn_local(worker_events::follow(control.vm.clone(), worker_events::subscribe())),
        tokio::task::spawn_local(super::posted_health::follow(control.clone())),
    ];
    tasks.extend(control.database.iter().flat_map(Database::tasks));
    wait_for_end(setup.orders).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    if let Some(database) = &control.database {
        database.finish();
    }
    Ok(())
}

/// The logs of the Admin and the Status API.
fn logs(conf: &Conf) -> Result<(Logs, Logs), String> {
    let open =
        |server, errors| Logs::open(conf, server, errors, &conf.prefix).map_err(|error| error.to_string());
    Ok((open(Server::Admin, &conf.admin_error_log)?, open(Server::Status, &conf.status_error_log)?))
}

/// Waits for any order other than to serve: a draining process leaves its APIs to the next one.
async fn wait_for_end(mut orders: watch::Receiver<Order>) {
    // The sender is gone only when the process ends.
    let _ = orders.wait_for(|order| *order != Order::Serve).await;
}

/// Puts each saved change of the declarative file in force.
async fn follow_file(control: Rc<Control>, mut changes: mpsc::UnboundedReceiver<()>) {
    while changes.recv().await.is_some() {
        let file = control.shared.conf.declarative_config.clone();
        let Some(file) = file.filter(|_| control.database.is_none()) else { continue };
        let in_force = control.shared.published.current().hash.clone();
        let prepare = || {
            let read = control.source.read_file_unless(&file, &in_force)?;
            read.map(|read| control.source.prepare(read, &control.shared)).transpose()
        };
        match runtime::stand_back(PATIENCE, || runtime::apart(prepare)) {
            Ok(Some(prepared)) => control.follow(prepared, &file),
            Ok(None) => control.note_read(&in_force),
            Err(error) => tell(&error),
        }
    }
}

/// Runs active health checks.
async fn probe(control: Rc<Control>) {
    let shared = &control.shared;
    let trust = SnapshotTrust::new(&shared.conf, shared.published.clone());
    let tls = UpstreamTls::new(Box::new(trust));
    let prober = Prober { balancers: control.balancers.clone(), published: shared.published.clone(), tls };
    Rc::new(prober).run().await;
}

/// Resolves targets, so that their addresses are known before a request asks for them.
async fn renew_targets(control: Rc<Control>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        control.balancers.renew().await;
    }
}

/// Frees old snapshots soon after the last request has let go of them: the fewer there are at once, the less
/// memory lies scattered between them afterwards.
async fn free_snapshots(control: Rc<Control>) {
    let published = &control.shared.published;
    let mut changes = published.changes();
    while changes.changed().await.is_ok() {
        while published.holds_retired() {
            tokio::time::sleep(LET_GO).await;
            if published.has_retired() {
                free(&control);
            }
        }
    }
}

fn free(control: &Control) {
    let published = &control.shared.published;
    // Most of a snapshot usually lives on in the one after it.
    if published.frees_much() {
        return runtime::stand_back(PATIENCE, || {
            published.free_retired();
            collect(control);
            runtime::forget_cached();
        });
    }
    published.free_retired();
    if control.vm.lua().used_memory() > control.live_memory.get() + GARBAGE {
        runtime::stand_back(PATIENCE, || collect(control));
    }
}

/// Frees what Lua schemas made while they judged: the VM rests until the next change.
fn collect(control: &Control) {
    if let Err(error) = control.vm.lua().gc_collect() {
        log::warn!("a plugin's finalizer failed: {error}");
    }
    control.live_memory.set(control.vm.lua().used_memory());
}

fn tell(error: &SourceError) {
    log::write(Level::Error, format_args!("the configuration in force stays: {error}"));
    for place in error.places() {
        log::write(Level::Error, format_args!("{place}"));
    }
}

impl Control {
    /// Whether the node was told to leave service, by this worker process or one before it.
    pub(super) fn is_draining(&self) -> bool {
        let dict = self.dicts.find(DICT);
        dict.is_some_and(|dict| {
            matches!(dict.get(READY, &mut Vec::new()), Ok(Some(Found { value: Kind::Boolean(false), .. })))
        })
    }

    /// Remembers, for later worker processes too, that the node was told to leave service.
    pub(super) fn drain(&self) {
        if let Some(dict) = self.dicts.find(DICT) {
            dict.set(READY, Value::Boolean(false), 0, 0);
        }
    }

    fn follow(&self, prepared: Prepared, file: &Path) {
        self.note_read(prepared.hash());
        self.publish(prepared);
        log::notice!("declarative config loaded from {}", file.display());
    }

    /// Puts what the node begins with in force; returns the hash of what was read.
    fn publish_first(&self) -> Result<String, String> {
        let read = self.source.first(&self.shared.conf).map_err(|error| {
            let places: String = error.places().iter().map(|place| format!("\n{place}")).collect();
            format!("{error}{places}")
        })?;
        let kept = self.was_read_before(&read).then(|| self.source.kept(&self.shared.conf.prefix)).flatten();
        let hash = read.hash.clone();
        self.put_in_force(kept.unwrap_or(read)).map_err(|error| error.to_string())?;
        Ok(hash)
    }

    /// Whether this node read the same declarative configuration earlier, before a reload or a crash.
    ///
    /// What came over the Admin API since then is newer, and stays in force: a reload is no reason to forget it.
    fn was_read_before(&self, read: &Read) -> bool {
        let mut last = Vec::new();
        let dict = self.dicts.find(DICT);
        dict.is_some_and(|dict| {
            matches!(dict.get(LAST_READ, &mut last), Ok(Some(_))) && last == read.hash.as_bytes()
        })
    }

    fn note_read(&self, hash: &str) {
        if let Some(dict) = self.dicts.find(DICT) {
            dict.set(LAST_READ, Value::String(hash.as_bytes()), 0, 0);
        }
    }

    /// Publishes a configuration and keeps its text for the next start.
    pub(super) fn put_in_force(&self, read: Read) -> Result<(), SourceError> {
        self.publish(self.source.prepare(read, &self.shared)?);
        Ok(())
    }

    fn publish(&self, prepared: Prepared) {
        let Prepared { snapshot, refused, kept } = prepared;
        for error in refused {
            log::write(Level::Error, format_args!("{error}"));
        }
        self.shared.published.publish(snapshot);
        if kept.text.is_empty() {
            return;
        }
        if let Err(error) = kept.store(&self.shared.conf.prefix) {
            log::write(
                Level::Warn,
                format_args!("the configuration is not kept for the next start: {error}"),
            );
        }
    }

    /// What a document says, judged while requests go first.
    pub(super) fn resolve(&self, document: Document) -> Result<DeclarativeConfiguration, ConfigError> {
        runtime::stand_back(PATIENCE, || runtime::apart(|| self.source.reader.resolve(document)))
    }

    /// The same for what is made of it.
    pub(super) fn apply(&self, read: Read) -> Result<(), SourceError> {
        let prepare = || runtime::still_apart(|| self.source.prepare(read, &self.shared));
        self.publish(runtime::stand_back(PATIENCE, prepare)?);
        Ok(())
    }
}

/// The sockets of the APIs, by API.
struct Listeners {
    admin: Vec<Listener>,
    status: Vec<Listener>,
}

impl Listeners {
    fn sort(control: &Control, sockets: Vec<Inherited>) -> Result<Listeners, String> {
        let conf = &control.shared.conf;
        let mut sorted = Listeners { admin: Vec::new(), status: Vec::new() };
        for inherited in sockets {
            let is_its = |listen: &&Listen| resolve(&listen.address).as_ref() == Ok(&inherited.address);
            let tls = &control.shared.tls;
            let (list, listen, tls) = if let Some(listen) = conf.admin_listen.iter().find(is_its) {
                (&mut sorted.admin, listen, &tls.admin)
            } else if let Some(listen) = conf.status_listen.iter().find(is_its) {
                (&mut sorted.status, listen, &tls.status)
            } else {
                continue;
            };
            let tls = tls.as_ref().filter(|_| listen.ssl).map(ServerTls::acceptor);
            let socket =
                register(inherited.socket).map_err(|error| format!("{}: {error}", inherited.address))?;
            list.push(Listener { socket, tls });
        }
        Ok(sorted)
    }
}

fn register(socket: Socket) -> std::io::Result<admin::Socket> {
    Ok(match socket {
        Socket::Tcp(socket) => admin::Socket::Tcp(tokio::net::TcpListener::from_std(socket)?),
        Socket::Unix(socket) => admin::Socket::Unix(tokio::net::UnixListener::from_std(socket)?),
    })
}
