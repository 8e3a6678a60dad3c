//! kong.conf → what all threads of a worker process share.

use crate::balancer::HealthBoards;
use crate::conf::{Conf, Listen};
use crate::db::Connector;
use crate::observability::{Level, log};
use crate::proxy::tls::{ServerTls, TlsError};
use crate::runtime::{Loaded, Needs, Origin, configuration};
use crate::snapshot::Published;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// What all threads of a worker process share.
#[derive(Debug)]
pub struct Configuration {
    /// The validated kong.conf.
    pub conf: Arc<Conf>,
    /// The snapshot in force.
    pub published: Arc<Published>,
    /// The plugins that are loaded.
    pub plugins: Vec<String>,
    /// The node's id: that of `node_id`, or the one kept under the prefix.
    pub node_id: String,
    /// TLS of the listeners, made while files that only root may read can be read.
    pub tls: Tls,
    /// Health of balanced addresses, which all workers share.
    pub health: Arc<HealthBoards>,
    /// The way to the database; leads nowhere without one.
    pub connector: Arc<Connector>,
}

/// TLS of the listeners that speak it; `None` where none does.
#[derive(Debug)]
pub struct Tls {
    /// Of proxy listeners.
    pub proxy: Option<ServerTls>,
    /// Of the Admin API.
    pub admin: Option<ServerTls>,
    /// Of the Status API.
    pub status: Option<ServerTls>,
}

impl Tls {
    fn new(conf: &Conf, published: &Arc<Published>) -> Result<Tls, TlsError> {
        let any = |has: fn(&Listen) -> bool| conf.proxy_listen.iter().any(has);
        let http2 = any(|listen| listen.http2);
        let proxy = any(|listen| listen.ssl).then(|| ServerTls::new(conf, published.clone(), http2));
        let api = |listens: &[Listen], api| {
            let wanted = listens.iter().any(|listen| listen.ssl);
            let http2 = listens.iter().any(|listen| listen.ssl && listen.http2);
            wanted.then(|| ServerTls::of_api(conf, api, http2)).transpose()
        };
        Ok(Tls {
            proxy: proxy.transpose()?,
            admin: api(&conf.admin_listen, "admin")?,
            status: api(&conf.status_listen, "status")?,
        })
    }
}

impl Configuration {
    /// Every property by its name, as `kong.configuration` has it.
    pub fn properties(&self) -> Map<String, Value> {
        self.conf.values().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    }
}

impl Configuration {
    /// Waits until the control thread has published a first snapshot.
    pub(super) async fn first_published(&self) {
        // The sender lives as long as the snapshot it tells of.
        let _ = self.published.changes().wait_for(|generation| *generation > 0).await;
    }
}

/// Reads the configuration that the master asks for.
///
/// A configuration from files is written down as the candidate, which the master puts in place once
/// it serves.
///
/// *Errors*: the text that `kong start` and `kong reload` print.
pub(super) fn load(origin: &Origin) -> Result<Loaded<Configuration>, String> {
    let conf = Arc::new(configuration(origin).map_err(|error| error.to_string())?);
    conf.storage().map_err(|error| error.to_string())?;
    for warning in &conf.warnings {
        log::write(Level::Warn, format_args!("{warning}"));
    }
    if let Some(listen) = conf.stream_listen.first() {
        let address = &listen.address;
        log::write(Level::Notice, format_args!("stream_listen {address}: streams are not served yet"));
    }
    let needs = Needs::of(&conf)?;
    let published = Arc::default();
    let configuration = Configuration {
        plugins: super::schemas::enabled(&conf),
        node_id: node_id(&conf),
        tls: Tls::new(&conf, &published).map_err(|error| error.to_string())?,
        conf,
        published,
        health: Arc::default(),
        connector: Arc::default(),
    };
    Ok(Loaded { configuration: Arc::new(configuration), needs })
}

/// The id of this node: configured, or made at the first start and kept in the prefix.
fn node_id(conf: &Conf) -> String {
    if let Some(id) = &conf.node_id {
        return id.clone();
    }
    let file = conf.prefix.join("kong.id");
    if let Some(id) = std::fs::read_to_string(&file).ok().filter(|id| Uuid::parse_str(id.trim()).is_ok()) {
        return id.trim().to_owned();
    }
    let id = Uuid::new_v4().to_string();
    if let Err(error) = std::fs::write(&file, &id) {
        let place = file.display();
        log::write(Level::Warn, format_args!("failed to access file '{place}': {error}"));
    }
    id
}
