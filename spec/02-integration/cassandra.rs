//! Nodes that are run by Apache Cassandra: from the command that makes the tables to what another node hears.

use super::postgres::{admin, ask, eventually, post, stderr};
use crate::support::{Cassandra, Gateway, Setup, Upstream, get, kong};
use serde_json::{Value, json};
use std::process::Output;
use std::time::Duration;

/// Few: each table takes the server its time.
const PLUGINS: &str = "key-auth, rate-limiting, http-log";

/// How long what is bound to come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn setup(server: &Cassandra, keyspace: &str) -> Setup {
    let properties = server.properties(keyspace);
    let setup = Setup::default().with("plugins", PLUGINS);
    properties.into_iter().fold(setup, |setup, (name, value)| setup.with(name, value))
}

/// Runs `kong migrations` on a keyspace.
pub(super) fn migrations(server: &Cassandra, keyspace: &str, command: &[&str], more: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("kong.conf");
    let mut text = format!("prefix = {}\n{more}", folder.path().join("prefix").display());
    if !more.contains("plugins") {
        text.push_str(&format!("plugins = {PLUGINS}\n"));
    }
    for (name, value) in server.properties(keyspace) {
        text.push_str(&format!("{name} = {value}\n"));
    }
    std::fs::write(&conf, text).unwrap();
    kong(&[&["migrations"], command, &["-c", conf.to_str().unwrap()]].concat())
}

pub(super) fn migrated(server: &Cassandra, keyspace: &str, command: &[&str]) -> String {
    let output = migrations(server, keyspace, command, "");
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn migrations_make_the_keyspace_and_start_asks_for_them() {
    let server = Cassandra::shared();
    let keyspace = server.keyspace();
    let (_gateway, output) = setup(&server, &keyspace).try_start();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run 'kong migrations bootstrap'"), "{}", stderr(&output));
    let list = migrations(&server, &keyspace, &["list"], "");
    assert_eq!(list.status.code(), Some(3));
    let some = migrations(&server, &keyspace, &["up"], "plugins = key-auth\n");
    assert!(some.status.success(), "{}", stderr(&some));
    let list = migrations(&server, &keyspace, &["list"], "plugins = key-auth\n");
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert_eq!(list.status.code(), Some(0), "{text}");
    assert!(
        text.contains("key-auth: 000_base_key_auth, 002_130_to_140, 003_200_to_210, 004_320_to_330"),
        "{text}"
    );
    let (_gateway, output) = setup(&server, &keyspace).try_start();
    assert!(stderr(&output).contains("run 'kong migrations up' to proceed"), "{}", stderr(&output));
    let status = migrated(&server, &keyspace, &["status"]);
    let status: Value = serde_json::from_str(status.trim()).unwrap();
    assert_eq!(status["needs_bootstrap"], false);
    assert!(status["new_migrations"].as_array().is_some_and(|new| !new.is_empty()));
    migrated(&server, &keyspace, &["reset", "--yes"]);
    assert_eq!(migrations(&server, &keyspace, &["list"], "").status.code(), Some(3));
}

#[test]
fn a_service_with_a_plugin_and_a_consumer_is_served_by_both_nodes_of_a_keyspace() {
    let (server, upstream) = (Cassandra::shared(), Upstream::start());
    let keyspace = server.keyspace();
    migrated(&server, &keyspace, &["up"]);
    let (one, two) = (setup(&server, &keyspace).start(), setup(&server, &keyspace).start());
    let root = get(one.admin, "/", &[]).json();
    assert_eq!(root["configuration"]["cassandra_keyspace"], keyspace.as_str());
    assert_eq!(get(one.admin, "/status", &[]).json()["database"]["reachable"], true);
    walk_through(&one, &two, &upstream);
    errors_are_kongs(&one, &two);
    limits_hold_over_both(&one, &two);
    // a node that comes later, and one that comes again
    drop(two);
    let three = setup(&server, &keyspace).start();
    let served = get(three.proxy, "/one", &[("apikey", "secret")]);
    assert_eq!(served.status, 200, "{}\n{}", served.text(), three.error_log());
    admin(&one, "DELETE", "/consumers/me", &Value::Null, 204);
    let key = [("apikey", "secret")];
    eventually("the end of a credential", PATIENCE, || get(three.proxy, "/one", &key).status == 401);
    assert_eq!(get(one.admin, "/key-auths", &[]).json()["data"], json!([]));
}

fn walk_through(one: &Gateway, two: &Gateway, upstream: &Upstream) {
    let service = post(one, "/services", &json!({"name": "one", "url": upstream.url(), "tags": ["b", "a"]}));
    post(one, "/services/one/routes", &json!({"name": "one", "paths": ["/one"], "methods": []}));
    post(one, "/services/one/plugins", &json!({"name": "key-auth"}));
    post(one, "/consumers", &json!({"username": "me"}));
    post(one, "/consumers/me/key-auth", &json!({"key": "secret"}));
    let key = [("apikey", "secret")];
    // what a node was told itself it does at once
    let answers = [get(one.proxy, "/one", &[]).status, get(one.proxy, "/one", &key).status];
    assert_eq!(answers, [401, 200], "{}", one.error_log());
    // the other hears of the route, of its plugin and of the credential one after the other
    eventually("the plugin on the other node", PATIENCE, || get(two.proxy, "/one", &[]).status == 401);
    eventually("the credential on it", PATIENCE, || get(two.proxy, "/one", &key).status == 200);
    let seen = get(two.admin, "/services/one", &[]).json();
    assert_eq!((&seen["id"], &seen["tags"]), (&service["id"], &json!(["b", "a"])));
    assert_eq!(get(two.admin, "/routes/one", &[]).json()["methods"], json!([]));
    assert_eq!(get(two.admin, "/tags/a", &[]).json()["data"][0]["entity_id"], service["id"]);
    // what the other node changes is heard by this one
    admin(two, "PATCH", "/routes/one", &json!({"paths": ["/one", "/two"]}), 200);
    eventually("a change of the route", PATIENCE, || get(one.proxy, "/two", &key).status == 200);
}

fn errors_are_kongs(one: &Gateway, two: &Gateway) {
    let again = admin(two, "POST", "/services", &json!({"name": "one", "host": "h"}), 409);
    assert_eq!(again["message"], "UNIQUE violation detected on '{name=\"one\"}'");
    let lost = json!({"service": {"id": "5a7a3a3e-8a1b-4a0e-9b6c-0f4d1a2b3c4d"}, "paths": ["/"]});
    let lost = admin(one, "POST", "/routes", &lost, 400);
    assert_eq!(lost["name"], "foreign key violation");
    let needed = admin(one, "DELETE", "/services/one", &Value::Null, 400);
    assert_eq!(needed["message"], "an existing 'routes' entity references this 'services' entity");
    assert_eq!(ask(one, "GET", "/services?size=1&offset=WyJ4Il0", &Value::Null).status, 400);
    for number in 0..5 {
        post(one, "/consumers", &json!({"username": format!("c{number}"), "tags": ["many"]}));
    }
    let mut names = Vec::new();
    let mut path = "/consumers?size=2&tags=many".to_owned();
    loop {
        let page = get(two.admin, &path, &[]).json();
        let found = page["data"].as_array().unwrap().clone();
        names.extend(found.iter().map(|row| row["username"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    names.sort();
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4"]);
}

fn limits_hold_over_both(one: &Gateway, two: &Gateway) {
    const LIMIT: usize = 40;
    post(
        one,
        "/services/one/plugins",
        &json!({"name": "rate-limiting", "config": {"year": LIMIT, "policy": "cluster"}}),
    );
    let key = [("apikey", "secret")];
    let limited = |gateway: &Gateway| get(gateway.proxy, "/one", &key).field("RateLimit-Limit").is_some();
    eventually("the limit", PATIENCE, || limited(two));
    // one node uses the limit up, and counts a little later than it answers
    eventually("the limit's end", PATIENCE, || get(one.proxy, "/one", &key).status == 429);
    // the other is told by the database: it has not served as many itself
    let mut served = 1;
    eventually("the end at the other node", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(100 + 100 * served as u64));
        let status = get(two.proxy, "/one", &key).status;
        served += usize::from(status == 200);
        status == 429
    });
    assert!(served < LIMIT, "the other node counted alone");
    let plugins = get(one.admin, "/plugins", &[]).json();
    let limiting = plugins["data"].as_array().unwrap().iter().find(|row| row["name"] == "rate-limiting");
    let path = format!("/plugins/{}", limiting.unwrap()["id"].as_str().unwrap());
    admin(one, "DELETE", &path, &Value::Null, 204);
    eventually("its end", PATIENCE, || get(two.proxy, "/one", &key).status == 200);
}
