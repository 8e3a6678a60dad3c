//! Black-box specs: the built `kong`, real sockets, a file for each area.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod error_format;
mod faults;
mod forwarding;
mod paths;
mod plugin_order;
mod proxy;
mod reload;
mod start;
mod tls;
mod tokens;
