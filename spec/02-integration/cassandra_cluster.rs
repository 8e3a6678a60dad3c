//! A cluster of three nodes of Cassandra that loses some of them.

use super::cassandra::{migrations, setup};
use super::postgres::{ask, eventually, post};
use crate::support::{Cassandra, Gateway, Upstream, get};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Admin writes while a node is killed.
const WRITES: usize = 1000;

#[test]
fn what_was_acknowledged_outlives_a_node_and_without_a_majority_writes_fail_clearly() {
    let (cluster, upstream) = (Cassandra::start(3), Upstream::start());
    let keyspace = cluster.keyspace();
    cluster.with_replication(3);
    // nodes take clients before they have heard of each other
    let prepared = || migrations(&cluster, &keyspace, &["up"], "").status.success();
    eventually("a majority", Duration::from_secs(120), prepared);
    let gateway = setup(&cluster, &keyspace).with("cassandra_timeout", "5000").start();
    post(&gateway, "/services", &json!({"name": "one", "url": upstream.url()}));
    post(&gateway, "/services/one/routes", &json!({"paths": ["/one"]}));
    assert_eq!(get(gateway.proxy, "/one", &[]).status, 200);
    let (stop, failed, served) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let status = get(gateway.proxy, "/one", &[]).status;
                served.fetch_add(1, Ordering::Relaxed);
                failed.fetch_add(usize::from(status != 200), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        one_is_lost(&cluster, &gateway);
        two_are_lost(&cluster, &gateway);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 100);
    assert_eq!(failed.load(Ordering::Relaxed), 0, "of {served:?} proxied requests");
}

/// Kills a node in the middle of many writes: what was acknowledged is there.
fn one_is_lost(cluster: &Cassandra, gateway: &Gateway) {
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..WRITES {
        if number == WRITES / 3 {
            cluster.kill(2);
        }
        let name = format!("c{number}");
        match ask(gateway, "POST", "/consumers", &json!({"username": name})).status {
            201 => acknowledged.push(name),
            500..600 => refused += 1,
            other => panic!("{name}: {other}"),
        }
    }
    assert!(acknowledged.len() > WRITES * 9 / 10, "{refused} of {WRITES} writes were refused");
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|name| get(gateway.admin, &format!("/consumers/{name}"), &[]).status != 200)
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Kills a second one: writes fail with words that say why, and work again when a node is back.
fn two_are_lost(cluster: &Cassandra, gateway: &Gateway) {
    cluster.kill(1);
    for _ in 0..3 {
        let refused = ask(gateway, "POST", "/consumers", &json!({"username": "nobody"}));
        assert!((500..600).contains(&refused.status), "{}: {}", refused.status, refused.text());
    }
    let log = gateway.error_log();
    assert!(log.contains("[Cassandra error]"), "{log}");
    cluster.resume(1);
    let written = || {
        ask(gateway, "POST", "/consumers", &json!({"username": "somebody"}));
        get(gateway.admin, "/consumers/somebody", &[]).status == 200
    };
    eventually("a write after the return", Duration::from_secs(60), written);
}
