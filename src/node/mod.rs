//! One gateway node: what runs in the threads of a worker process.
//!
//! [`Node`] is the [`Gateway`] that [`crate::runtime`] starts. It ties the parts together and holds no
//! logic of its own beyond that:
//!
//! - [`mod@load`]: kong.conf → [`Configuration`], before any thread exists
//! - `control`: the control thread; it makes snapshots of the declarative configuration and publishes
//!   them, and serves Admin and Status API
//! - `entities`: the schemas of this node and the way from a text to a snapshot
//! - `schemas`: the schemas of core entities and plugins
//! - `admin`: what Admin and Status API see of the control thread
//! - `log_level`: the level of the error log, changed for a while
//! - `worker`: a worker; its VM, its plugins, its share of the proxy
//! - `database`, `effect`, `events`: the database of a node that has one, from a write to its effect, and what Lua
//!   code hears of it
//! - `standby`: the copy of the database, for starts while it is away
//! - `cluster`: what other nodes write to the same database
//! - `prober`: active health checks
//! - `posted_health`: health that is set by hand, on all nodes
//! - [`script`]: the VM of `kong lua` and `kong test`, which has no node around it
//! - `listeners`, `peers`: a worker's sockets, and its balancer
//! - `trust`: the authorities that Lua's sockets trust
//!
//! Data flows one way: text or database → entities → snapshot → [`Published`](crate::snapshot::Published) →
//! workers. A step that fails leaves the last good snapshot in place.

mod admin;
mod cluster;
mod control;
mod database;
mod effect;
mod entities;
mod events;
mod listeners;
mod load;
mod log_level;
mod peers;
mod posted_health;
mod prober;
mod schemas;
pub mod script;
mod standby;
mod trust;
mod worker;

pub use database::dao_of_command;
pub use load::Configuration;
pub use schemas::of_command as schemas_of_command;

use crate::runtime::{ControlSetup, Gateway, Loaded, Origin, WorkerSetup};

/// The gateway proper.
#[derive(Debug, Clone, Copy)]
pub struct Node;

impl Gateway for Node {
    type Configuration = Configuration;

    fn load(&self, origin: &Origin) -> Result<Loaded<Configuration>, String> {
        load::load(origin)
    }

    async fn run_worker(&self, setup: WorkerSetup<Configuration>) -> Result<(), String> {
        worker::run(setup).await
    }

    async fn run_control(&self, setup: ControlSetup<Configuration>) -> Result<(), String> {
        control::run(setup).await
    }
}
