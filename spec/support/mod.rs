//! What the black-box specs stand on: the built `kong` as a process of its own, an upstream that
//! shows what it received, and a client that writes and reads raw bytes.

mod cassandra;
mod client;
mod gateway;
mod load;
mod mock;
mod nginx;
mod patience;
mod postgres;
mod redis;
mod s_client;
mod upstream;
mod websocket;

pub use cassandra::Cassandra;
pub use client::{Connection, Reply, get, request};
pub use gateway::{Gateway, Setup, command, free_port, kong, kong_with};
pub use load::Load;
pub use mock::{Answer, Mock, Received, Sink};
pub use nginx::Nginx;
pub use patience::at_most;
pub use postgres::Postgres;
pub use redis::{Redis, RedisReply};
pub use s_client::s_client;
pub use upstream::{Upstream, spawn_raw};
pub use websocket::{WebSocket, spawn_websocket_echo};
