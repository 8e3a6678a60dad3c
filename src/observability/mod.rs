//! What the gateway writes about itself: the error log and the access logs.
//!
//! [`log`] is the error log, in nginx's line format and with nginx's eight levels; every folder writes
//! through its macros; [`capture`] keeps lines of it for Lua code. [`AccessLog`] is a worker's buffered access log, whose lines are rendered from
//! a [`LogFormat`] by whoever serves the request. Both append to a [`Target`]: standard error, a file
//! that several listeners may share, or syslog. [`reopen`] serves USR1: each file is opened anew and
//! swapped in with one pointer, so that no line is lost between the old file and the new one.
//!
//! Nothing here waits for a lock on the way of a request.

mod access;
pub mod capture;
pub mod counters;
mod error;
mod format;
mod level;
pub mod log;
mod syslog;
mod target;
pub mod timestamp;

pub use access::{AccessLog, FLUSH_AFTER};
pub use error::{LogError, system_error};
pub use format::{LogFormat, Piece};
pub use level::Level;
pub use target::{Target, reopen};
