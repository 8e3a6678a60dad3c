//! Plugins driven against exchanges made by hand: no sockets.

mod bundled;
mod harness;
mod isolation;
mod kit;
mod order;
mod schemas;
