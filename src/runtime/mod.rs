//! Master, worker process, workers: start, reload, crash, stop.
//!
//! # Three kinds of processes, one executable
//!
//! `kong start` prepares the prefix and calls [`launch`], which executes the same file again as the **master**.
//! The master executes it once more, as the **worker process**, for the start, for every reload and after a
//! crash. Which one a process is, the variable `KONG_PROCESS` tells [`enter`], the first thing `main` calls.
//!
//! ```text
//! kong start ──▶ master ──channel──▶ worker process: main thread, control thread, worker threads
//!                  ▲    └─channel──▶ the next one, during a reload
//! kong reload ─────┘ pids/master.sock
//! ```
//!
//! # What a new worker process goes through
//!
//! 1. It loads the configuration (as the master's user) and sends its [`Needs`].
//! 2. The master binds the sockets that are new, makes the dictionaries that are new, and grants all of both.
//! 3. It gives its privileges up, starts its threads, and says it is ready once every thread did.
//! 4. The master lets the workers' new sockets listen and tells it to go; only now does it accept.
//! 5. The master closes the sockets of listeners that vanished and tells the old process to drain.
//!
//! Until step 4 nothing that clients could notice has happened, so a failure at any step leaves the old process
//! as it was. The master itself never reads a configuration, and runs no Lua.
//!
//! # Why no connection is lost
//!
//! The master holds every listening socket for as long as its listener exists, so a backlog belongs to no worker
//! process. A listener with `reuseport` has one socket for each worker; the kernel spreads new connections over
//! them, and each socket has one backlog. Closing one would reset what waits in it, so a socket is never closed
//! because there are fewer workers: worker *i* of *n* accepts from all sockets *j* with *j mod n = i*. More
//! workers get more sockets, which join the group only when they are served (a bound socket joins when it
//! listens). Without `reuseport` all workers accept from the one socket.
//!
//! | file | owns |
//! |---|---|
//! | [`gateway`] | the trait by which the gateway proper plugs in |
//! | [`needs`] | what a worker process asks of the master |
//! | `configuration` | kong.conf → needs |
//! | [`acceptor`] | accepting, and draining what already waits |
//! | `master/` | the master: life, sockets, worker processes, back-off |
//! | `worker/` | the worker process: threads, privileges, watcher |
//! | `message`, `channel` | what the two say to each other |
//! | [`request`] | how `kong reload` asks the master |
//! | [`pid_file`] | the pid file: writing it, signalling through it |
//! | `role`, `daemon` | which process this is; leaving the terminal |
//! | `arena` | memory of one configuration apart from that of the next |
//! | `precedence` | which threads go first when there is more work than cores |

pub mod acceptor;

pub mod error;
pub mod gateway;
pub mod needs;
pub mod pid_file;
pub mod request;

mod arena;
mod channel;
mod configuration;
mod daemon;
mod master;
mod message;
mod precedence;
mod role;
mod worker;

pub use acceptor::{Accepted, Acceptor};
pub use arena::{apart, forget_cached, still_apart};
pub use configuration::{configuration, resolve};
pub use error::RuntimeError;
pub use gateway::{
    ControlSetup, Gateway, Inherited, Loaded, Order, Origin, Ready, Socket, Source, WorkerSetup,
};
pub use needs::{Address, Keepalive, Listen, Needs, Watch};
pub use precedence::{answer_promptly, give_way, stand_back};
pub use role::{Launch, enter, launch};
pub use worker::watcher::plugin_folders;
