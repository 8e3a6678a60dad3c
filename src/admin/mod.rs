//! The Admin API.
//!
//! [`serve`] takes open listeners and an [`Api`] and runs on the control thread. A request is read
//! completely into a [`call`], looked up in the table of `endpoint`s, which follows from the
//! [`Model`](crate::db::Model) of the entities, and answered by one of `handlers` with a `reply`, whose
//! body `json` writes and `wire` puts into a response. What nginx would refuse by itself is answered by `refusal`. All that handlers know of the process is the trait [`Node`].
//!
//! What entities there are, with a database or without, is behind `access`.
//!
//! *Kong parity*: paths, methods, status codes, bodies and messages of Kong's Admin API. Endpoints of Kong that are
//! not here yet answer 501 and say so.

mod access;
mod access_log;
pub mod api;
mod arguments;
pub mod call;
pub mod endpoint;
mod handlers;
pub mod json;
mod node;
mod refusal;
pub mod reply;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use access_log::Logs;
pub use api::Api;
pub use endpoint::Reach;
pub use node::{
    ApplyError, ApplyFuture, Identity, Loaded, Node, PluginInfo, ReplyFuture, Statistics, StatusFuture,
};
pub use server::{Listener, Socket, serve};
