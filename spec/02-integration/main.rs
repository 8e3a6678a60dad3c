//! Black-box specs: the built `kong`, real sockets, a file for each area.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod proxy;
mod reload;
mod start;
