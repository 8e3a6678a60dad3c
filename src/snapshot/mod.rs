//! Entities → the immutable run-time view that requests read.
//!
//! A [`Snapshot`] holds everything a request needs to know about the configuration: compiled routes,
//! routes and services in typed form, plugin instances, the plan of plugins for each route,
//! certificates by server name. It is built off the request path from a dataset of entities
//! ([`mod@build`]), and published by one pointer swap ([`Published`]); the old one is freed with the last request that
//! holds it.
//!
//! A change makes the next snapshot of the one before (`change`): all parts are collections of which changed copies share
//! what the change leaves alone ([`crate::persistent`]). Its cost is that of the change, whatever the number of routes.
//!
//! Positions: routes, services and plugins refer to each other by their places in the snapshot's lists, which are those
//! of their entities in the dataset's. A place is only meaningful together with its snapshot.

mod build;
mod certificates;
mod change;
mod plan;
mod plugin;
mod published;
mod read;
mod route;
mod secrets;
mod service;
#[cfg(test)]
mod tests;
mod upstream;

pub use build::{build, build_after, check_route};
pub use certificates::Certificates;
pub use plan::{Plan, Plans, Step};
pub use plugin::{Plugin, PluginKind, Scope};
pub use published::Published;
pub use route::{Protocols, Route};
pub use secrets::{keep_secret, revealed, secret, unknown_secrets};
pub use service::{Service, Timeouts};

use crate::balancer::UpstreamSpec;
use crate::db::off::Dataset;
use crate::persistent::Slots;
use crate::router::Router;
use std::sync::Arc;

/// The immutable run-time form of all entities.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Grows by one with every snapshot of this worker process; zero for the empty one.
    pub generation: u64,
    /// Hash of the declarative configuration: 32 hexadecimal digits, all zero when there is none.
    pub hash: String,
    /// The entities themselves, for look-ups by plugins; `None` before the first configuration.
    pub dataset: Option<Arc<Dataset>>,
    /// The compiled routes.
    pub router: Router,
    /// Routes of enabled services, and routes without a service.
    pub routes: Slots<Arc<Route>>,
    /// All services.
    pub services: Slots<Arc<Service>>,
    /// All enabled plugin instances.
    pub plugins: Slots<Arc<Plugin>>,
    /// The installed plugins in the order they execute.
    pub kinds: Arc<[PluginKind]>,
    /// Which plugins run for which route.
    pub plans: Plans,
    /// Certificates by server name.
    pub certificates: Certificates,
    /// Differs from that of the snapshot before when certificates, CA certificates or vaults, which may have parts
    /// of them, do.
    pub certificates_version: u64,
    /// Upstreams with their targets.
    pub upstreams: Slots<Arc<UpstreamSpec>>,
}
