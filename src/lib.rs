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
//! | [`persistent`] | collections whose changed copies share what the change leaves alone |
//! | [`observability`] | error log, access log, counters |
//! | [`http`] | heads, field lines, URIs, dates, status texts: HTTP without sockets |
//! | [`schema`] | the schema engine: fields, checks, defaults, shorthands, error trees |
//! | [`phase`] | the phases of a request, and their bits |
//! | [`conf`] | kong.conf and `KONG_*` → one validated [`conf::Conf`] |
//! | [`vaults`] | `{vault://…}` references |
//! | [`tls`] | what all outgoing TLS has in common |
//! | [`shm`] | shared dictionaries, in memory that outlives worker processes |
//! | [`entities`] | the core entities' schemas, one file each |
//! | [`router`] | routes → index → match |
//! | [`db`] | declarative configuration, stores, data access |
//! | [`dns`] | resolver |
//! | [`balancer`] | upstreams and targets → peer |
//! | [`snapshot`] | entities → immutable run-time view, swapped whole |
//! | [`exchange`] | one request and its response, as all phases see it |
//! | [`cache`] | the shared level of the entity cache |
//! | [`lua`] | VM, coroutines, `ngx.*`, native parts of the PDK, plugin runner |
//! | [`proxy`] | bytes in, bytes out |
//! | [`admin`], [`status`] | Admin API, Status API |
//! | [`runtime`] | master, worker process, workers, reload |
//! | [`node`] | ties the folders above to the threads of a worker process |
//! | [`cli`] | one file per `kong` command |
//!
//! `spec/01-unit/layers.rs` holds this order.
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
pub mod persistent;
pub mod phase;
pub mod proxy;
pub mod router;
pub mod runtime;
pub mod schema;
pub mod shm;
pub mod snapshot;
pub mod status;
pub mod tls;
pub mod vaults;

/// The release of Kong this gateway is compatible with and reports as its own version.
pub const KONG_VERSION: &str = env!("CARGO_PKG_VERSION");
