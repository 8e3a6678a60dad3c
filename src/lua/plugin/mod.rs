//! Plugins: which are installed, which run for a request, and running them.
//!
//! - [`Runner`]: one per worker; runs a phase of all plugins that a request has
//! - [`RunnerSettings`]: what plugins see of the gateway: configuration, node, shared state
//! - [`load_kinds`]: the installed plugins as the snapshot wants them
//! - [`load_schemas`], [`load_vault_schemas`]: the schemas that plugins and vaults bring, for the control thread
//! - [`inquiries`]: what other threads ask workers
//! - [`api::PluginApi`]: the endpoints that plugins bring to the Admin and Status API, for the control thread
//!
//! What calls the plugins of a phase one after the other is Lua (`lua/kong/runloop/runner.lua` and `shape.lua`),
//! so that it compiles into traces with the plugins. What it runs is a plan: the steps of a route with the
//! configuration of each. A plan is made in Lua at the first request that needs it, from
//! [`crate::snapshot::Plan`], and stays over generations while its steps do; a configuration becomes a Lua table
//! once and stays the same table over generations while nothing about it changes, since plugins use it as a key.
//!
//! A plugin that throws ends the phase. The error and its stack go to the log with the plugin's name,
//! the request gets a 500, and nothing else is harmed: the coroutine is given up, the plan goes on to
//! be used.

pub mod api;
mod configs;
mod functions;
pub mod inquiries;
mod outcome;
mod plans;
mod runner;
mod schemas;
mod settings;
#[cfg(test)]
mod tests;

pub use configs::Configs;
pub use outcome::PhaseOutcome;
pub use runner::{Runner, load_kinds};
pub use schemas::{add_schemas, load_schemas, load_vault_schemas};
pub use settings::{RunnerSettings, Statistics};
