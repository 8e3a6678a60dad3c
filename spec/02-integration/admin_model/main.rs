//! The Admin API against what is made up: random calls and hostile ones, to nodes on different databases.
//!
//! [`draw`] makes sequences of calls to the core's entities and credentials out of a seed. [`compare`] sends each call
//! to a node on SQLite and to one on PostgreSQL or Cassandra, and asks the [`model`], a naive one in memory, what the answer has to
//! be. A sequence that shows a difference is made shorter and printed as lines for `curl`. [`hostile`] sends what no
//! client should to every endpoint, values made by the schemas that the node itself shows among it.
//!
//! `MODEL_SECONDS` is the time for the random calls (30), `MODEL_SEED` the seed of the first sequence (1);
//! `HOSTILE_ROUNDS` is how often every endpoint is tried (2).

// A spec fails by panicking, and its helpers with it; clippy knows that only of `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod calls;
mod compare;
mod draw;
mod hostile;
mod kinds;
mod model;
mod node;

#[allow(dead_code, unused_imports, reason = "a harness offers more than the specs of one target take")]
#[path = "../../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{Cassandra, Gateway, Postgres, Setup, kong};

/// Few: each table takes Cassandra its time.
const PLUGINS: &str = "key-auth, basic-auth, acl, cors, correlation-id, request-termination, file-log";

fn sqlite() -> Gateway {
    Setup::default().with("database", "sqlite").with("log_level", "notice").start()
}

fn postgres(server: &Postgres) -> Gateway {
    let database = server.database();
    migrated(&server.properties(&database))
}

fn cassandra(server: &Cassandra) -> Gateway {
    let mut properties = server.properties(&server.keyspace());
    properties.push(("plugins", PLUGINS.to_owned()));
    migrated(&properties)
}

/// A node on a new database.
fn migrated(properties: &[(&'static str, String)]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let mut text = format!("prefix = {}\n", folder.path().join("prefix").display());
    for (name, value) in properties {
        text.push_str(&format!("{name} = {value}\n"));
    }
    std::fs::write(&conf, text).unwrap();
    let made = kong(&["migrations", "bootstrap", "-c", conf.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let setup = properties.iter().fold(Setup::default(), |setup, (name, value)| setup.with(name, value));
    setup.with("log_level", "notice").start()
}

fn number(variable: &str, everyday: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(everyday)
}

/// Has two nodes answer random calls for so many seconds.
fn compare(one: (&'static str, &Gateway), two: (&'static str, &Gateway), seconds: u64) {
    let until = Instant::now() + Duration::from_secs(number("MODEL_SECONDS", seconds));
    let first = number("MODEL_SEED", 1);
    let port = two.1.admin;
    let mut comparison = compare::Comparison::new((one.0, one.1.admin), (two.0, port));
    let mut calls = 0;
    for seed in first.. {
        let sequence = draw::sequence(seed, &comparison.kinds);
        calls += sequence.len();
        if let Err(difference) = comparison.run(&sequence) {
            let (shortest, difference) = comparison.shorten(sequence, difference);
            let lines: Vec<String> = shortest.iter().map(|call| call.curl(port)).collect();
            panic!("seed {seed}: {difference}\n{}", lines.join("\n"));
        }
        if calls > 100 && Instant::now() > until {
            break;
        }
    }
    eprintln!("{calls} calls, seeds from {first}");
}

#[test]
fn random_calls_are_answered_by_sqlite_postgres_and_the_model_alike() {
    let server = Postgres::shared();
    compare(("SQLite", &sqlite()), ("PostgreSQL", &postgres(&server)), 30);
}

#[test]
fn random_calls_are_answered_by_sqlite_cassandra_and_the_model_alike() {
    let server = Cassandra::shared();
    let embedded = Setup::default().with("database", "sqlite").with("plugins", PLUGINS);
    let embedded = embedded.with("log_level", "notice").start();
    compare(("SQLite", &embedded), ("Cassandra", &cassandra(&server)), 20);
}

#[test]
fn hostile_calls_to_any_endpoint_do_not_fail_the_node_on_sqlite() {
    hostile::attack(&sqlite(), number("HOSTILE_ROUNDS", 2));
}

#[test]
fn hostile_calls_to_any_endpoint_do_not_fail_the_node_on_postgres() {
    hostile::attack(&postgres(&Postgres::shared()), number("HOSTILE_ROUNDS", 2));
}

#[test]
fn hostile_calls_to_any_endpoint_do_not_fail_the_node_on_cassandra() {
    hostile::attack(&cassandra(&Cassandra::shared()), number("HOSTILE_ROUNDS", 1));
}

#[test]
fn hostile_calls_to_any_endpoint_do_not_fail_the_node_without_a_database() {
    hostile::attack(
        &Setup::declarative("_format_version: '3.0'\nservices: [{ name: s1, host: h }]\n").start(),
        number("HOSTILE_ROUNDS", 2),
    );
}
