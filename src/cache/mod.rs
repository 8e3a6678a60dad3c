//! The two-level entity cache: a table per VM over a shared store, with TTL, negative TTL and single
//! flight.
//!
//! The first level is a Lua table in each worker's VM and the second the shared dictionaries
//! `kong_db_cache` and `kong_db_cache_miss`, both served by `lua/kong/cache.lua`, since what they hold
//! are Lua values. Here is what the workers of a process need to agree on:
//!
//! - [`invalidations`]: which keys have been invalidated, so that every VM drops its copy before it
//!   answers from it
//! - [`flights`]: which keys are being loaded, so that one worker loads and the others wait for it
//!
//! *Kong parity*: the semantics are mlcache's, hit levels 1 to 4 included.

mod flights;
mod invalidations;

pub use flights::{Flight, Landing, board};
pub use invalidations::{Missed, invalidate, invalidate_all, missed, sequence};
