//! What master and worker process say to each other.

use serde::{Deserialize, Serialize};

use super::{Address, Needs, Origin};

/// From the master to a worker process, in the order in which they can come first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The first message: what to load, and whether standard error is to become the error log.
    Load { origin: Origin, detached: bool },
    /// Descriptors come with it: first one per address, then one per dictionary. Several may be needed.
    Grant { sockets: Vec<(Address, Use)>, dicts: Vec<String>, last: bool },
    /// Accept connections.
    Go,
    /// Open the log files anew.
    ReopenLogs,
    /// Finish and end.
    Drain,
    /// End at once; also the answer to needs that cannot be met.
    Stop,
}

/// Who accepts from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Use {
    /// All workers share it.
    Shared,
    /// The n-th of the sockets that workers divide among themselves.
    Own(usize),
    /// The control thread.
    Control,
}

/// From a worker process to the master.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// What the configuration needs.
    Needs(Box<Needs>),
    /// Every thread is ready.
    Ready,
    /// Told to drain, it accepts no connection any more.
    Closed,
    /// It cannot start; it ends after this.
    Failed(String),
    /// Something that was watched changed.
    Reload { because: String },
}
