//! A node whose PostgreSQL server is away: while it runs, and when it starts.

use super::postgres::{admin, ask, eventually, migrate, post, prepared, setup, stderr};
use crate::support::{Gateway, Load, Postgres, Upstream, get};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);

fn stop(gateway: &Gateway) {
    let output = gateway.command("stop", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    gateway.eventually("the end", |gateway| !gateway.is_running());
}

fn start(gateway: &Gateway) -> Output {
    gateway.write_conf();
    gateway.command("start", &["-c", gateway.conf_file().to_str().unwrap()])
}

fn is_reachable(gateway: &Gateway) -> Value {
    get(gateway.status, "/status", &[]).json()["database"]["reachable"].clone()
}

/// A node with a route for `/one`.
fn serving(server: &Postgres, database: &str, upstream: &Upstream) -> Gateway {
    let gateway = setup(server, database).with("pg_timeout", "2000").start();
    post(&gateway, "/services", &json!({"name": "one", "url": upstream.url()}));
    post(&gateway, "/services/one/routes", &json!({"name": "one", "paths": ["/one"]}));
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    gateway
}

#[test]
fn a_node_starts_from_the_kept_copy_and_catches_up_when_the_database_is_back() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let gateway = serving(&server, &prepared(&server), &upstream);
    // the last write is kept, too, however soon the node ends
    post(&gateway, "/plugins", &json!({"name": "correlation-id", "config": {"echo_downstream": true}}));
    stop(&gateway);
    let copy = std::fs::metadata(gateway.prefix.join("standby/database")).unwrap();
    assert_eq!(copy.permissions().mode() & 0o777, 0o600);
    server.stop();

    let output = start(&gateway);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("starting from the copy of it"), "{}", stderr(&output));
    let serves = |path: &str| {
        let reply = get(gateway.proxy, path, &[]);
        reply.status == 200 && reply.field("Kong-Request-ID").is_some()
    };
    assert!(serves("/one"));
    assert!(gateway.error_log().contains("the node serves from the copy kept in"));
    assert_eq!(is_reachable(&gateway), false);
    for (method, path) in [("GET", "/services"), ("GET", "/services/one"), ("POST", "/consumers")] {
        let refused = ask(&gateway, method, path, &json!({"username": "me"}));
        assert_eq!(refused.status, 500, "{method} {path}: {}", refused.text());
        assert!(refused.json()["message"].is_string());
    }
    let reloaded = gateway.reload();
    assert!(reloaded.status.success(), "{}", stderr(&reloaded));
    assert!(serves("/one"));
    let crashed = gateway.worker();
    kill(Pid::from_raw(crashed.cast_signed()), Signal::SIGKILL).unwrap();
    gateway.eventually("another worker process", |gateway| {
        gateway.workers().iter().any(|worker| *worker != crashed)
    });
    eventually("its answers", SOON, || serves("/one"));

    server.resume();
    let database = &gateway.properties["pg_database"];
    server.ask(database, "UPDATE routes SET paths = '{/two}'");
    gateway.wait_for_log("the database is back");
    eventually("what others wrote", SOON, || serves("/two") && get(gateway.proxy, "/one", &[]).status == 404);
    post(&gateway, "/services/one/routes", &json!({"paths": ["/three"]}));
    assert!(serves("/three"));
    assert_eq!(is_reachable(&gateway), true);
}

#[test]
fn what_was_written_meanwhile_is_in_force_and_in_the_copy_after_the_return() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let database = prepared(&server);
    let gateway = serving(&server, &database, &upstream);
    stop(&gateway);
    server.ask(&database, "UPDATE routes SET paths = '{/two}'");
    for path in ["/one", "/two"] {
        server.stop();
        // the second time there is somebody who does not answer
        let deaf = (path == "/two").then(|| TcpListener::bind(("127.0.0.1", server.port)).unwrap());
        let output = start(&gateway);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(get(gateway.proxy, path, &[]).status, 200);
        drop(deaf);
        server.resume();
        eventually("what others wrote", SOON, || get(gateway.proxy, "/two", &[]).status == 200);
        stop(&gateway);
    }
}

#[test]
fn without_a_copy_of_this_very_database_the_start_is_refused() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let (database, other) = (prepared(&server), prepared(&server));
    let mut gateway = serving(&server, &database, &upstream);
    stop(&gateway);
    server.stop();
    let refused =
        "Error: [PostgreSQL error] failed to retrieve PostgreSQL server_version_num: connection refused";
    let mut refuses = |property: &str, value: &str, why: &str| {
        let before = gateway.properties.insert(property.to_owned(), value.to_owned());
        let output = start(&gateway);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(refused), "{}", stderr(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        match before {
            Some(before) => gateway.properties.insert(property.to_owned(), before),
            None => gateway.properties.remove(property),
        };
    };
    refuses("pg_database", &other, &format!("/{database}?schema=, not of postgres://"));
    refuses("pg_host", "localhost", ", not of postgres://localhost:");
    refuses("db_resilience", "off", "");
    let file = gateway.prefix.join("standby/database");
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..content.len() - 10]).unwrap();
    let broken = start(&gateway);
    assert_eq!(broken.status.code(), Some(1));
    assert!(gateway.error_log().contains("is not a whole copy"), "{}", gateway.error_log());
    std::fs::remove_file(&file).unwrap();
    let output = start(&gateway);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(refused), "{}", stderr(&output));
}

#[test]
fn the_copy_stands_in_for_no_database_that_is_not_prepared() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let database = prepared(&server);
    let gateway = serving(&server, &database, &upstream);
    stop(&gateway);
    server.ask(&database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let output = start(&gateway);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run 'kong migrations bootstrap'"), "{}", stderr(&output));
    server.stop();
    assert!(start(&gateway).status.success());
    server.resume();
    gateway.wait_for_log("the database has no tables; run 'kong migrations bootstrap'");
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    migrate(&server, &database, "bootstrap");
    gateway.wait_for_log("its default workspace has another id; restart the node");
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    stop(&gateway);
    assert!(start(&gateway).status.success());
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 404);
}

#[test]
fn no_request_fails_while_the_database_is_away_under_load() {
    let (server, upstream) = (Postgres::start(), Upstream::start());
    let database = prepared(&server);
    let gateway = serving(&server, &database, &upstream);
    post(&gateway, "/services/one/routes", &json!({"paths": ["/x"]}));
    post(&gateway, "/routes/one/plugins", &json!({"name": "key-auth"}));
    post(&gateway, "/consumers", &json!({"username": "me"}));
    post(&gateway, "/consumers/me/key-auth", &json!({"key": "secret"}));
    let with_key = || get(gateway.proxy, "/one", &[("apikey", "secret")]).status;
    assert_eq!(with_key(), 200);
    let load = Load::start(gateway.proxy, 2, 1);
    server.stop();
    let begun = Instant::now();
    // a minute when everything is asked for
    let away = if std::env::var_os("SPEC_FULL").is_some() { 60 } else { 4 };
    while begun.elapsed() < Duration::from_secs(away) {
        assert_eq!(with_key(), 200);
        assert_eq!(get(gateway.proxy, "/one", &[]).status, 401);
        let refused = ask(&gateway, "POST", "/consumers", &json!({"username": "you"}));
        assert_eq!(refused.status, 500, "{}", refused.text());
    }
    let ready = || get(gateway.status, "/status/ready", &[]);
    assert_eq!(
        (ready().status, ready().json()["message"].as_str()),
        (503, Some("failed to connect to database"))
    );
    server.resume();
    post(&gateway, "/consumers", &json!({"username": "you"}));
    assert_eq!(ready().status, 200);
    post(&gateway, "/consumers/you/key-auth", &json!({"key": "other"}));
    assert_eq!(get(gateway.proxy, "/one", &[("apikey", "other")]).status, 200);
    admin(&gateway, "DELETE", "/consumers/me", &Value::Null, 204);
    assert_eq!(with_key(), 401);
    assert!(load.finish_without_failure() > 0);
}
