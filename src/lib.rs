//! An API gateway that serves Kong's configuration, commands, Admin API and Lua plugins on a Rust
//! proxy core.
//!
//! # The way of a request
//!
//! accept → parse the head → `rewrite` (global plugins) → router → plugin plan → `access` →
//! balancer → upstream pool → send → response head → `header_filter` (or `response`, with the body
//! buffered) → body chunks through `body_filter` → `log` after the last byte → access log.
//! [`proxy`] drives it; [`exchange`] is what travels.
//!
//! # Folders, lowest first (a folder uses only those above it in this table)
//!
//! | folder | owns |
//! |---|---|
//! | [`observability`] | error log, access log, counters |
//! | [`shm`] | shared dictionaries, in memory that outlives a worker process |
//! | [`conf`] | kong.conf and `KONG_*` → one validated [`conf::Conf`] |
//! | [`http`] | heads, field lines, URIs, dates, status texts: HTTP without sockets |
//! | [`schema`] | the schema engine: fields, checks, defaults, shorthands, error trees |
//! | [`entities`] | the core entities' schemas, one file each |
//! | [`db`] | declarative configuration, stores, data access |
//! | [`router`] | routes → index → match |
//! | [`dns`] | resolver |
//! | [`balancer`] | upstreams and targets → peer |
//! | [`vaults`] | `{vault://…}` references |
//! | [`snapshot`] | entities → immutable run-time view, swapped whole |
//! | [`exchange`] | one request and its response, as all phases see it |
//! | [`cache`] | the two-level entity cache |
//! | [`lua`] | VM, coroutines, `ngx.*`, native parts of the PDK, plugin runner |
//! | [`proxy`] | bytes in, bytes out |
//! | [`admin`], [`status`] | Admin API, Status API |
//! | [`runtime`] | master, worker process, workers, reload |
//! | [`cli`] | one file per `kong` command |
//!
//! # Lexicon
//!
//! Kong's nouns are used as they are. Four are our own: the **master** is the small parent process
//! that holds the listening sockets; the **worker process** serves and is replaced on reload; a
//! **worker** is one of its threads, with one Lua VM and its own connection pools; the **snapshot**
//! is the immutable run-time form of all entities, with a **generation** number.

pub mod admin;
pub mod balancer;
pub mod cache;
pub mod cli;
pub mod conf;
pub mod db;
pub mod dns;
pub mod entities;
pub mod exchange;
pub mod http;
pub mod lua;
pub mod node;
pub mod observability;
pub mod proxy;
pub mod router;
pub mod runtime;
pub mod schema;
pub mod shm;
pub mod snapshot;
pub mod status;
pub mod vaults;

/// The release of Kong this gateway is compatible with and reports as its own version.
pub const KONG_VERSION: &str = env!("CARGO_PKG_VERSION");
