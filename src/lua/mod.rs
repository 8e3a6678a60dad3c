//! The Lua runtime: VM, coroutines, `ngx.*`, the native parts of `kong.*`, the plugin runner.
//!
//! Every worker thread has one [`Vm`]. Lua code enters it through [`Vm::call`], which runs a
//! function in a recycled coroutine ([`coroutine`]) and waits, as a future, whenever the code waits
//! ([`task`]); phases that may not wait use [`Vm::call_now`]. What the code sees of the request is
//! the exchange of its [`Context`], set before each resume.
//!
//! | file | holds |
//! |---|---|
//! | [`vm`] | set-up of the VM: libraries, paths, host functions |
//! | [`sources`], [`loader`] | the embedded Lua files and how `require` finds them |
//! | `packages` | who has the modules that are not embedded |
//! | [`frame`], `stack` | the safe view host functions have of Lua's stack; raising and waiting |
//! | [`object`] | Rust values that Lua code holds |
//! | [`context`], [`phase`] | which request and phase is running |
//! | `origin` | which plugin started a timer or thread |
//! | [`coroutine`] | coroutines, used again and again |
//! | [`task`], [`thread`] | resuming, light threads, cancelling |
//! | [`memory`] | a VM that holds too much |
//! | [`interrupt`] | stopping code that never ends |
//! | [`Limits`] | how much code may use, as directives of nginx say |
//! | [`ngx`] | `ngx.*`, one file per noun |
//! | [`pdk`] | native parts of `kong.*` |
//! | [`plugin`] | plugins: loading, plans, configurations, running |
//! | `library/` | native forms of cjson, digests, OpenSSL and other C modules |
//!
//! # Host functions
//!
//! A host function is a plain `fn(&Frame) -> Answer`. It may not panic through Lua (a panic becomes
//! a Lua error), may raise with `Err(Flow::raise(…))` and may wait with [`Frame::wait`]: the future
//! is parked, the coroutine yields a sentinel that the wrappers in `lua/host/prelude.lua` pass
//! outward through user coroutines, and the driver resumes with the future's answer.

pub mod context;
pub mod coroutine;
mod error;
pub mod frame;
pub mod interrupt;
mod library;
mod limits;
pub mod loader;
pub mod memory;
pub mod ngx;
pub mod object;
mod origin;
mod packages;
pub mod pdk;
mod phase;
pub mod plugin;
pub mod sources;
mod stack;
pub mod task;
#[cfg(test)]
mod testing;
pub mod thread;
pub mod vm;

pub use crate::exchange::Phase;
pub use context::Context;
pub use error::LuaError;
pub use frame::{Answer, Flow, Frame};
pub use limits::Limits;
pub use task::Outcome;
pub use vm::{Callee, Reference, Vm};
