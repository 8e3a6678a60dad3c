//! Black-box specs: the built `kong`, real sockets, a file for each area.

// A spec fails by panicking, and its helpers with it; clippy knows that only of `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, unused_imports, reason = "a harness offers more than the specs of one target take")]
#[path = "../support/mod.rs"]
mod support;

mod admin_answers;
mod api_logs;
mod cassandra;
mod cassandra_centers;
mod cassandra_cluster;
mod cassandra_upgrade;
mod command_line;
mod commands;
mod config_database;
mod connector;
mod custom_entities;
mod custom_plugin;
mod dns;
mod error_format;
mod faults;
mod foreground;
mod foreign_sources;
mod forwarding;
mod health_checks;
mod kong_plugins;
mod kong_test_plugins;
mod log_export;
mod lua_limit;
mod lua_memory;
mod lua_vaults;
mod memcached;
mod memory;
mod messages;
mod migrations;
mod mysql;
mod ocsp;
mod origins;
mod own_responses;
mod paths;
mod plugin_certificates;
mod plugin_context;
mod plugin_order;
mod plugin_output;
mod plugins_acme;
mod plugins_ai;
mod plugins_auth;
mod plugins_bundled;
mod plugins_traffic;
mod plugins_transform;
mod postgres;
mod proxy;
mod published_plugins;
mod rate_limiting_cluster;
mod rate_limiting_redis;
mod raw_bytes;
mod raw_socket;
mod recorded_answers;
mod reload;
mod request_debug;
mod restart;
mod routing;
mod scripts;
mod signals;
mod sqlite;
mod standby;
mod start;
mod timeouts;
mod tls;
mod tokens;
mod tracing;
mod vaults;
mod worker_events;
