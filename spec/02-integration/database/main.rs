//! Nodes and their database under load: what one node writes and others serve, and what is left after a crash.
//!
//! A part of the writes is done every day, all of them when `SPEC_FULL` is set.

// A spec fails by panicking, and its helpers with it; clippy knows that only of `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crashes;
mod nodes;

#[allow(dead_code, unused_imports, reason = "a harness offers more than the specs of one target take")]
#[path = "../../support/mod.rs"]
mod support;

use serde_json::Value;
use support::{Connection, Gateway, Postgres, Reply, Setup, kong};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

/// A small number for every day; the whole one when `SPEC_FULL` is set.
fn scaled(small: usize, whole: usize) -> usize {
    if std::env::var_os("SPEC_FULL").is_some() { whole } else { small }
}

/// The settings of nodes on a new database of a server.
fn on_postgres(server: &Postgres) -> Setup {
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let mut text = format!("prefix = {}\n", folder.path().join("prefix").display());
    let mut setup = Setup::default().with("log_level", "notice");
    for (name, value) in server.properties(&database) {
        text.push_str(&format!("{name} = {value}\n"));
        setup = setup.with(name, value);
    }
    std::fs::write(&conf, text).unwrap();
    let made = kong(&["migrations", "bootstrap", "-c", conf.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    setup
}

fn on_sqlite() -> Setup {
    Setup::default().with("database", "sqlite").with("log_level", "notice")
}

/// A write that may find nobody to answer it.
fn try_write(connection: &mut Connection, method: &str, path: &str, body: &Value) -> Option<Reply> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if connection.try_write(head.as_bytes()) { connection.try_reply(false) } else { None }
}

/// A write that is taken.
fn write(connection: &mut Connection, method: &str, path: &str, body: &Value) -> Reply {
    let reply = try_write(connection, method, path, body).expect("an answer");
    assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text());
    reply
}

/// All rows of a list.
fn rows(gateway: &Gateway, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = Some(format!("{path}?size=1000"));
    while let Some(path) = next {
        let reply = support::request(gateway.admin, "GET", &path, JSON, b"");
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let page = reply.json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    rows
}
