//! What a worker process asks of the master, and of its own main thread, after it has read its configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything the configuration means for processes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Number of workers; 0 counts as 1.
    pub workers: usize,
    /// Listeners whose connections the workers accept.
    pub proxy: Vec<Listen>,
    /// Listeners of the control thread: Admin API, Status API.
    pub control: Vec<Listen>,
    /// Shared dictionaries: name and size in bytes.
    pub dicts: Vec<(String, usize)>,
    /// The error log of the process, as a `*_error_log` property names it.
    pub error_log: String,
    /// The log level's name.
    pub log_level: String,
    /// All other log files, absolute: they change their owner when privileges are given up.
    pub logs: Vec<PathBuf>,
    /// User and, after a space, group to run as, if the master runs as root.
    pub user: Option<String>,
    /// Limit of open files for the worker process.
    pub open_files: Option<u64>,
    /// How long connections may go on after a reload or QUIT; `None` is for ever.
    pub drain_timeout: Option<Duration>,
    /// What is watched for changes; `None` when `config_watch` is off.
    pub watch: Option<Watch>,
}

/// Files and folders whose change has an effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Changes of these files, or of files anywhere in these folders, lead to a reload.
    pub reload: Vec<PathBuf>,
    /// A change of this file is told to the control thread.
    pub declarative: Option<PathBuf>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Where it listens.
    pub address: Address,
    /// One socket for each worker.
    pub reuseport: bool,
    /// Length of the queue of connections nobody accepted yet; nginx's default is 511.
    pub backlog: i32,
    /// An IPv6 wildcard takes IPv6 only; nginx's default is on.
    pub ipv6_only: bool,
    /// A connection is accepted when its first bytes are there (`TCP_DEFER_ACCEPT`).
    pub deferred: bool,
    /// `so_keepalive`.
    pub keepalive: Option<Keepalive>,
}

impl Listen {
    /// A listener without flags.
    pub fn new(address: Address) -> Listen {
        Listen { address, reuseport: false, backlog: 511, ipv6_only: true, deferred: false, keepalive: None }
    }
}

/// `so_keepalive=on|off|[idle]:[interval]:[count]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keepalive {
    /// Off, whatever the system's default is.
    Off,
    /// On, with the times given; `None` is the system's.
    On {
        /// Silence before the first probe.
        idle: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
        /// Probes without answer that end the connection.
        count: Option<u32>,
    },
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
