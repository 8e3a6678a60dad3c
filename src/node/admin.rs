//! The node as the Admin and Status API see it.

use super::control::Control;
use super::entities::Read;
use super::log_level;
use super::posted_health::{self, Posted};
use crate::admin::call::Call;
use crate::admin::reply::{Body, Reply};
use crate::admin::{
    ApplyError, ApplyFuture, Identity, Loaded, Node, PluginInfo, Reach, ReplyFuture, Statistics, StatusFuture,
};
use crate::balancer::{Balancer, UpstreamStatus};
use crate::conf::directives::BodyLimit;
use crate::conf::{Conf, ConfValue, Database, HeaderTokens};
use crate::db::Dao;
use crate::db::declarative::document::Document;
use crate::db::declarative::{ConfigError, Configuration, Reader};
use crate::db::off::{Dataset, EMPTY_HASH};
use crate::entities::Registry;
use crate::http::{Method, RequestHead};
use crate::lua::pdk::health;
use crate::lua::plugin::api::{self, PluginAnswer, PluginApi, PluginRoute};
use crate::observability::{Level, counters, log};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits for the addresses of new targets.
const LOOK_UP: Duration = Duration::from_secs(1);
/// What stands for the value of a sensitive property.
const MASK: &str = "******";

/// A view of the control thread.
pub(super) struct AdminNode {
    control: Rc<Control>,
    identity: Identity,
    plugins: PluginApi,
    /// The snapshot that the balancers were last asked for.
    generation: Cell<u64>,
}

impl AdminNode {
    /// With the endpoints that plugins bring to an API: those of their modules of a kind.
    ///
    /// *Errors*: a module that cannot be loaded.
    pub(super) fn new(control: &Rc<Control>, kind: &'static str) -> Result<AdminNode, String> {
        let plugins = PluginApi::load(&control.vm, kind, &control.shared.plugins);
        let plugins = plugins.map_err(|error| error.to_string())?;
        health::read_by(reader(control.clone()));
        Ok(AdminNode {
            control: control.clone(),
            identity: identity(control),
            plugins,
            generation: Cell::new(0),
        })
    }

    /// The endpoints of plugins.
    pub(super) fn plugins(&self) -> &PluginApi {
        &self.plugins
    }

    /// The balancer of an upstream, as the snapshot in force has it.
    fn balancer(&self, name: &str) -> Option<Rc<RefCell<Balancer>>> {
        balancer(&self.control, &self.generation, name)
    }

    fn conf(&self) -> &Conf {
        &self.control.shared.conf
    }
}

fn balancer(control: &Control, generation: &Cell<u64>, name: &str) -> Option<Rc<RefCell<Balancer>>> {
    let snapshot = control.shared.published.current();
    if generation.replace(snapshot.generation) != snapshot.generation {
        control.balancers.update(snapshot.upstreams.iter().cloned());
    }
    control.balancers.balancer(name)
}

/// The status of an upstream, with what is known of its addresses in good time.
async fn status(control: &Control, balancer: &RefCell<Balancer>) -> UpstreamStatus {
    // What takes longer is told as not known.
    let _ = tokio::time::timeout(LOOK_UP, control.balancers.resolve(balancer)).await;
    balancer.borrow_mut().upstream_status()
}

/// What plugins that run on this thread learn the health of upstreams from.
fn reader(control: Rc<Control>) -> Rc<health::Reader> {
    let generation = Cell::new(0);
    Rc::new(move |name| {
        let (found, control) = (balancer(&control, &generation, name)?, control.clone());
        Some(Box::pin(async move { status(&control, &found).await }))
    })
}

fn identity(control: &Control) -> Identity {
    let conf = &control.shared.conf;
    let plugin = |kind: &crate::snapshot::PluginKind| PluginInfo {
        name: kind.name.to_string(),
        version: kind.version.to_string(),
        priority: kind.priority,
    };
    Identity {
        node_id: control.shared.node_id.clone(),
        hostname: nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        lua_version: control.lua_version.clone(),
        is_dbless: conf.database == Database::Off,
        role: conf.role.as_str().to_owned(),
        plugins: control.source.kinds().iter().map(plugin).collect(),
        cors_origins: cors_origins(conf),
        latency_header: conf.headers.contains(HeaderTokens::ADMIN_LATENCY),
        server_header: conf.headers.contains(HeaderTokens::SERVER),
        max_body: match conf.nginx.admin.client_max_body_size {
            BodyLimit::Unlimited => 0,
            BodyLimit::Bytes(bytes) => bytes as usize,
        },
    }
}

/// The origins of `admin_gui_url`, which may have paths.
fn cors_origins(conf: &Conf) -> Vec<String> {
    let Some(ConfValue::Array(origins)) = conf.value("admin_gui_origin") else { return Vec::new() };
    let text = |origin: &ConfValue| match origin {
        ConfValue::String(text) => Some(text.clone()),
        _ => None,
    };
    origins.iter().filter_map(text).collect()
}

/// The call as an exchange has it.
fn request(call: &Call) -> crate::exchange::Request {
    let mut head = RequestHead {
        method: Method::new(call.method.as_str().as_bytes()).unwrap_or_default(),
        target: call.path.clone().into_bytes(),
        ..RequestHead::default()
    };
    if !call.query.is_empty() {
        head.target.push(b'?');
        head.target.extend_from_slice(call.query.as_bytes());
    }
    for (name, value) in &call.headers {
        head.fields.append(name.as_str().as_bytes(), value.as_bytes());
    }
    api::request(head, call.body.to_vec())
}

fn reply(answer: PluginAnswer) -> Reply {
    let own = |name: &[u8]| !name.eq_ignore_ascii_case(b"content-length");
    let fields = answer.fields.iter().filter(|(name, _)| own(name)).filter_map(|(name, value)| {
        let name = http::HeaderName::from_bytes(name).ok()?;
        Some((name, String::from_utf8_lossy(value).into_owned()))
    });
    let is_sized = answer.fields.iter().any(|(name, _)| !own(name));
    let body = Body::Bytes { bytes: answer.body, is_sized };
    Reply { status: answer.status, headers: fields.collect(), body }
}

fn counts() -> Statistics {
    let counted = counters::counted();
    Statistics {
        connections_active: counted.active,
        connections_writing: counted.writing,
        connections_waiting: counted.waiting(),
        connections_accepted: counted.accepted,
        connections_handled: counted.accepted,
        total_requests: counted.requests,
        ..Statistics::default()
    }
}

impl Node for AdminNode {
    fn dataset(&self) -> Arc<Dataset> {
        let current = self.control.shared.published.current().dataset.clone();
        current.unwrap_or_else(|| Arc::new(Dataset::empty(self.reader().model().clone())))
    }

    fn dao(&self) -> Option<&Dao> {
        self.control.database.as_ref().map(|database| database.dao())
    }

    fn registry(&self) -> &Registry {
        &self.control.source.registry
    }

    fn reader(&self) -> &Reader {
        &self.control.source.reader
    }

    fn resolve(&self, document: Document) -> Result<Configuration, ConfigError> {
        self.control.resolve(document)
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn configuration(&self) -> Map<String, Value> {
        let shown = |name: &str, value| match Conf::is_sensitive(name) {
            true => Value::from(MASK),
            false => Value::from(value),
        };
        self.conf().values().map(|(name, value)| (name.to_owned(), shown(name, value))).collect()
    }

    fn statistics(&self) -> Statistics {
        let dictionaries = self.control.dicts.iter().map(|dict| {
            let capacity = dict.capacity() as u64;
            (dict.name().to_owned(), capacity.saturating_sub(dict.free_space() as u64), capacity)
        });
        // Workers are threads: they share a process, and `ngx.worker.pid()` says so too.
        let pid = std::process::id();
        Statistics {
            master_pid: nix::unistd::getppid().as_raw() as u32,
            workers: counters::lua_memory().into_iter().map(|bytes| (pid, bytes)).collect(),
            dictionaries: dictionaries.collect(),
            ..counts()
        }
    }

    fn not_ready(&self) -> Option<String> {
        if self.control.is_draining() {
            return Some("draining".to_owned());
        }
        let hash = &self.control.shared.published.current().hash;
        let is_empty = self.control.database.is_none() && hash == EMPTY_HASH;
        is_empty.then(|| "no configuration available (empty configuration present)".to_owned())
    }

    fn drain(&self) {
        self.control.drain();
    }

    fn upstream_status<'a>(&'a self, name: &'a str) -> StatusFuture<'a> {
        Box::pin(async move {
            let balancer = self.balancer(name)?;
            Some(status(&self.control, &balancer).await)
        })
    }

    fn set_available(&self, upstream: &str, host: &str, ip: Option<&str>, port: u16, available: bool) {
        let (upstream, host, ip) = (upstream.to_owned(), host.to_owned(), ip.map(str::to_owned));
        let posted = Posted { upstream, host, ip, port, available };
        if posted_health::set(&self.control, &posted) {
            posted_health::tell(&self.control, &posted);
        }
    }

    fn log_level(&self) -> String {
        log::level().to_string()
    }

    fn change_log_level(&self, level: Level, seconds: u64, reach: Reach) -> ApplyFuture<'_> {
        log_level::change(&self.control, level, seconds);
        Box::pin(async move {
            let told = match reach {
                Reach::Node => Ok(()),
                Reach::Cluster => log_level::tell(&self.control, level, seconds).await,
            };
            told.map_err(|error| ApplyError::Failed(error.to_string()))
        })
    }

    fn apply(&self, loaded: Loaded) -> ApplyFuture<'_> {
        let read = Read { rows: loaded.rows, hash: loaded.hash, text: loaded.text };
        let done = self.control.apply(read).map_err(|error| ApplyError::Failed(error.to_string()));
        Box::pin(std::future::ready(done))
    }

    fn plugin_routes(&self) -> &[PluginRoute] {
        self.plugins.routes()
    }

    fn answer_by_plugin<'a>(
        &'a self,
        number: usize,
        call: &'a Call,
        parameters: &'a [String],
    ) -> ReplyFuture<'a> {
        Box::pin(async move {
            let snapshot = self.control.shared.published.current();
            let answer = self.plugins.answer(number, request(call), parameters, snapshot).await;
            answer.map_or_else(Reply::unexpected, reply)
        })
    }
}
