//! What the black-box specs stand on: the built `kong` as a process of its own, an upstream that
//! shows what it received, and a client that writes and reads raw bytes.

mod client;
mod gateway;
mod upstream;

pub use client::{Connection, Reply, get, request};
pub use gateway::{Gateway, Setup, free_port, kong};
pub use upstream::{Upstream, spawn_raw};
