//! What the Admin and Status API need of the process they run in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::balancer::UpstreamStatus;
use crate::db::declarative::document::Document;
use crate::db::declarative::{ConfigError, Configuration, Reader};
use crate::db::off::Dataset;
use crate::db::{Dao, Entities};
use crate::entities::Registry;
use crate::lua::plugin::api::PluginRoute;

use super::call::Call;
use super::endpoint::Reach;
use super::reply::Reply;
use crate::observability::Level;

/// The running node, as the Admin API sees it.
///
/// Called on the control thread only, hence not `Send`.
pub trait Node {
    /// The entities that are served now.
    fn dataset(&self) -> Arc<Dataset>;

    /// Access to the database; `None` without one, where [`Node::dataset`] has all there is. With one, what it has is
    /// only what is kept in memory: not consumers, and not what plugins bring.
    fn dao(&self) -> Option<&Dao> {
        None
    }

    /// The schemas of the control thread.
    fn registry(&self) -> &Registry;

    /// Reads configurations by these schemas.
    fn reader(&self) -> &Reader;

    /// What a document says.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn resolve(&self, document: Document) -> Result<Configuration, ConfigError> {
        self.reader().resolve(document)
    }

    /// What does not change while the process lives.
    fn identity(&self) -> &Identity;

    /// The properties of kong.conf as `GET /` shows them, secrets replaced by `******`.
    fn configuration(&self) -> Map<String, Value>;

    /// Counters.
    fn statistics(&self) -> Statistics;

    /// Why requests cannot be served yet; `None` if they can.
    fn not_ready(&self) -> Option<String>;

    /// Takes the node out of service: from now on it says that it is draining.
    fn drain(&self);

    /// The level of the error log.
    fn log_level(&self) -> String;

    /// Changes that level for so many seconds.
    fn change_log_level(&self, level: Level, seconds: u64, reach: Reach) -> ApplyFuture<'_>;

    /// What is known of the addresses of an upstream, by its name; `None` while nothing is. Names that nobody was asked
    /// for yet are looked up.
    fn upstream_status<'a>(&'a self, name: &'a str) -> StatusFuture<'a>;

    /// Forces the availability of the addresses of a target of an upstream, or of the one with this `ip`.
    fn set_available(&self, upstream: &str, host: &str, ip: Option<&str>, port: u16, available: bool);

    /// Makes entities the ones that are served, and keeps them for the next start.
    fn apply(&self, loaded: Loaded) -> ApplyFuture<'_>;

    /// The endpoints that plugins bring to this API.
    fn plugin_routes(&self) -> &[PluginRoute] {
        &[]
    }

    /// Has the plugin's endpoint of this number answer; `parameters` are the path's, as they were sent.
    fn answer_by_plugin<'a>(
        &'a self,
        _number: usize,
        _call: &'a Call,
        _parameters: &'a [String],
    ) -> ReplyFuture<'a> {
        Box::pin(std::future::ready(Reply::not_found()))
    }
}

/// The outcome of [`Node::upstream_status`].
pub type StatusFuture<'a> = Pin<Box<dyn Future<Output = Option<UpstreamStatus>> + 'a>>;

/// The outcome of [`Node::answer_by_plugin`].
pub type ReplyFuture<'a> = Pin<Box<dyn Future<Output = Reply> + 'a>>;

/// The outcome of [`Node::apply`], once all workers have it.
pub type ApplyFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyError>> + 'a>>;

/// A configuration that is ready to be served.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// All entities as they are stored.
    pub rows: Entities,
    /// The hash of the text.
    pub hash: String,
    /// The text, to be kept for the next start.
    pub text: String,
}

/// Why a configuration could not be put into service.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// Another one is being put into service.
    #[error("Currently loading previous configuration")]
    Busy {
        /// Seconds after which to try again.
        retry_after: u64,
    },
    /// The workers did not take it in time.
    #[error("Timed out while loading configuration")]
    Timeout,
    /// The process is about to end.
    #[error("Kong currently exiting")]
    Exiting,
    /// Anything else; the log has it.
    #[error("{0}")]
    Failed(String),
}

/// What does not change while the process lives.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The UUID of the node.
    pub node_id: String,
    /// The name of the host.
    pub hostname: String,
    /// The version of the Lua VM.
    pub lua_version: String,
    /// Whether there is no database.
    pub is_dbless: bool,
    /// `traditional`, `control_plane` or `data_plane`.
    pub role: String,
    /// The plugins that may be configured.
    pub plugins: Vec<PluginInfo>,
    /// Origins that browsers may call from; empty for any.
    pub cors_origins: Vec<String>,
    /// Whether answers say how long they took.
    pub latency_header: bool,
    /// Whether answers name the server.
    pub server_header: bool,
    /// The largest body, in bytes; 0 for any.
    pub max_body: usize,
}

/// An installed plugin.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// Its name.
    pub name: String,
    /// The version its handler states.
    pub version: String,
    /// Its place in the order of plugins.
    pub priority: f64,
}

/// Counters of the node at one moment.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Open client connections.
    pub connections_active: u64,
    /// Those on which a request is being read.
    pub connections_reading: u64,
    /// Those on which a response is being written.
    pub connections_writing: u64,
    /// Idle keep-alive connections.
    pub connections_waiting: u64,
    /// Connections since the start.
    pub connections_accepted: u64,
    /// Those that were not refused for want of room.
    pub connections_handled: u64,
    /// Requests since the start.
    pub total_requests: u64,
    /// Timers that run now.
    pub timers_running: u64,
    /// Timers that wait.
    pub timers_pending: u64,
    /// The process id of the master.
    pub master_pid: u32,
    /// Workers: process id and bytes that their Lua VM holds.
    pub workers: Vec<(u32, u64)>,
    /// Shared dictionaries: name, bytes in use, bytes in all.
    pub dictionaries: Vec<(String, u64, u64)>,
}
