//! The Status API: whether the node works, for machines that watch it.
//!
//! It is the part of the Admin API that changes nothing, on listeners of its own: `/status`,
//! `/status/ready`, with the same handlers over the same [`Node`]. [`api`] makes it; [`serve`] runs it.

use crate::admin::{Api, Node};

pub use crate::admin::serve;

/// The Status API of a node.
pub fn api(node: Box<dyn Node>) -> Api {
    Api::status(node)
}
