//! kong.conf → what all threads of a worker process share.

use super::needs;
use crate::balancer::HealthBoards;
use crate::conf::{Conf, Purpose, Sources, prefix};
use crate::observability::{Level, log};
use crate::runtime::{Loaded, Origin, Source};
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
    /// The node's id: that of `node_id`, or the one kept under the prefix.
    pub node_id: String,
    /// Health of balanced addresses, which all workers share.
    pub health: Arc<HealthBoards>,
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
    let conf = Arc::new(read(origin)?);
    conf.storage().map_err(|error| error.to_string())?;
    for warning in &conf.warnings {
        log::write(Level::Warn, format_args!("{warning}"));
    }
    let needs = needs::needs(&conf)?;
    let configuration = Configuration {
        node_id: node_id(&conf),
        conf,
        published: Arc::default(),
        health: Arc::default(),
    };
    Ok(Loaded { configuration: Arc::new(configuration), needs })
}

fn read(origin: &Origin) -> Result<Conf, String> {
    let prefix = origin.prefix.to_str();
    let written = |file: &std::path::Path| {
        Conf::load(&Sources::kong_env(file).flag("prefix", prefix).purpose(Purpose::Start))
            .map(|conf| Conf { file: origin.conf.clone(), ..conf })
    };
    let conf = match origin.source {
        Source::Running => written(&origin.running()),
        Source::Candidate => written(&origin.candidate()),
        Source::Files => from_files(origin, prefix),
    };
    conf.map_err(|error| error.to_string())
}

fn from_files(origin: &Origin, prefix: Option<&str>) -> Result<Conf, crate::conf::ConfError> {
    let sources = Sources::new(origin.conf.as_deref()).over(&origin.running());
    let conf = Conf::load(&sources.flag("prefix", prefix).purpose(Purpose::Start))?;
    prefix::prepare_with(conf, &origin.candidate()).map(|prepared| prepared.conf)
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
