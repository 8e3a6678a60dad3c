//! A node with the embedded database: what is written over the Admin API is in force, and stays.

use crate::support::{Gateway, Reply, Setup, Upstream, get, request};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

fn start() -> Gateway {
    Setup::default().with("database", "sqlite").start()
}

fn write(gateway: &Gateway, method: &str, path: &str, body: Value) -> Reply {
    request(gateway.admin, method, path, JSON, body.to_string().as_bytes())
}

fn made(gateway: &Gateway, path: &str, body: Value) -> Value {
    let reply = write(gateway, "POST", path, body);
    assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    reply.json()
}

/// A service with a route at `/` and key-auth, and a consumer whose key is `secret`.
fn guarded(gateway: &Gateway, upstream: &Upstream) -> Value {
    made(gateway, "/services", json!({"name": "s", "url": upstream.url()}));
    made(gateway, "/services/s/routes", json!({"name": "r", "paths": ["/"]}));
    made(gateway, "/services/s/plugins", json!({"name": "key-auth"}));
    made(gateway, "/consumers", json!({"username": "c"}));
    made(gateway, "/consumers/c/key-auth", json!({"key": "secret"}))
}

fn status(gateway: &Gateway, key: &str) -> u16 {
    get(gateway.proxy, "/", &[("apikey", key)]).status
}

#[test]
fn each_write_is_in_force_for_the_next_request_and_all_of_them_outlive_restarts() {
    let upstream = Upstream::start();
    let gateway = start();
    assert_eq!(get(gateway.proxy, "/", &[]).status, 404);
    made(&gateway, "/services", json!({"name": "s", "url": upstream.url()}));
    made(&gateway, "/services/s/routes", json!({"name": "r", "paths": ["/"]}));
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
    made(&gateway, "/services/s/plugins", json!({"name": "key-auth"}));
    assert_eq!(status(&gateway, "secret"), 401);
    made(&gateway, "/consumers", json!({"username": "c"}));
    made(&gateway, "/consumers/c/key-auth", json!({"key": "secret"}));
    assert_eq!(status(&gateway, "secret"), 200);
    let conf = gateway.conf_file().display().to_string();
    assert!(gateway.command("restart", &["-c", &conf]).status.success());
    assert_eq!((status(&gateway, "secret"), status(&gateway, "wrong")), (200, 401));
    assert!(gateway.reload().status.success());
    assert_eq!((status(&gateway, "secret"), status(&gateway, "wrong")), (200, 401));
    assert_eq!(request(gateway.admin, "DELETE", "/routes/r", &[], b"").status, 204);
    assert_eq!(status(&gateway, "secret"), 404);
}

#[test]
fn what_caches_hold_of_credentials_and_consumers_goes_with_each_change_of_them() {
    let upstream = Upstream::start();
    let gateway = start();
    let key = guarded(&gateway, &upstream);
    let path = format!("/consumers/c/key-auth/{}", key["id"].as_str().unwrap());
    // All workers hold both the key that is there and the one that is not.
    for _ in 0..20 {
        assert_eq!((status(&gateway, "secret"), status(&gateway, "other")), (200, 401));
    }
    assert_eq!(write(&gateway, "PATCH", &path, json!({"key": "other"})).status, 200);
    for _ in 0..20 {
        assert_eq!((status(&gateway, "secret"), status(&gateway, "other")), (401, 200));
    }
    assert_eq!(request(gateway.admin, "DELETE", "/consumers/c", &[], b"").status, 204);
    for _ in 0..20 {
        assert_eq!(status(&gateway, "other"), 401);
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_node_is_killed() {
    let gateway = start();
    made(&gateway, "/services", json!({"name": "s", "host": "h"}));
    let is_over = AtomicBool::new(false);
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut names = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let name = format!("r{}", names.len());
                let route = json!({"name": name, "paths": [format!("/{name}")], "service": {"name": "s"}});
                let posted = std::panic::catch_unwind(|| write(&gateway, "POST", "/routes", route).status);
                match posted {
                    Ok(201) => names.push(name),
                    _ => break,
                }
            }
            names
        });
        std::thread::sleep(std::time::Duration::from_secs(2));
        for process in [gateway.master(), gateway.worker()] {
            let process = nix::unistd::Pid::from_raw(process as i32);
            nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    gateway.eventually("the end of the old processes", |gateway| {
        gateway.command("start", &["-c", gateway.conf_file().to_str().unwrap()]).status.success()
    });
    let mut found = HashSet::new();
    let mut path = "/routes?size=1000".to_owned();
    loop {
        let page = get(gateway.admin, &path, &[]).json();
        found.extend(
            page["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!(acknowledged.iter().filter(|name| !found.contains(*name)).count(), 0);
    assert!(found.len() <= acknowledged.len() + 1);
}

#[test]
fn what_another_process_writes_to_the_file_is_in_force_soon() {
    let upstream = Upstream::start();
    let gateway = start();
    let file = gateway.folder().join("import.yml");
    let text = format!(
        "_format_version: '3.0'\nservices: [{{ name: s, url: '{}', routes: [{{ paths: [/] }}] }}]\n",
        upstream.url()
    );
    std::fs::write(&file, text).unwrap();
    let imported = gateway.command("config", &["db_import", file.to_str().unwrap()]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    gateway.eventually("the imported route", |gateway| get(gateway.proxy, "/", &[]).status == 200);
}
