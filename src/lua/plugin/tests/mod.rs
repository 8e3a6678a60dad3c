//! Plugins driven against exchanges made by hand: no sockets.

mod bundled;
mod document;
mod harness;
mod instances;
mod isolation;
mod kit;
mod less_used;
mod order;
mod running;
mod schemas;
