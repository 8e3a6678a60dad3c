//! Memory over a long life.

use crate::support::{Gateway, Setup, Upstream, get};
use std::time::Duration;

/// Many services, and a plugin on each, so that a copy which is not freed is seen.
fn declarative(upstream: &Upstream, round: usize) -> String {
    let services: String = (0..200)
        .map(|index| {
            format!(
                "- name: s{index}\n  url: {}\n  routes: [{{ name: r{index}, paths: [/{index}/] }}]\n  plugins: \
                 [{{ name: response-transformer, config: {{ add: {{ headers: ['X-Round:{round}'] }} }} }}]\n",
                upstream.url()
            )
        })
        .collect();
    format!("_format_version: '3.0'\nservices:\n{services}")
}

fn rounds(everyday: usize) -> usize {
    std::env::var("SPEC_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(everyday)
}

fn change(gateway: &Gateway, upstream: &Upstream, round: usize) {
    std::fs::write(gateway.declarative_file(), declarative(upstream, round)).unwrap();
    gateway.eventually("the changed file", |gateway| {
        get(gateway.proxy, "/7/", &[]).field("X-Round") == Some(&round.to_string())
    });
    // Every route once, on both workers: what they hold of a route is made by its first request.
    (0..50).for_each(|index| assert_eq!(get(gateway.proxy, &format!("/{index}/"), &[]).status, 200));
}

/// The least memory seen over a while: old snapshots are freed, and pages given back, a little later.
fn settled(gateway: &Gateway, process: u32) -> u64 {
    let look = |_| {
        std::thread::sleep(Duration::from_millis(100));
        gateway.resident(process)
    };
    (0..20).map(look).min().unwrap()
}

fn assert_steady(what: &str, early: u64, late: u64) {
    println!("{what}: {early} KiB early, {late} KiB late");
    assert!(late <= early + early / 10, "{what}: {early} KiB early, {late} KiB late");
}

#[test]
fn memory_after_many_declarative_changes_is_what_it_was_after_a_few() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(declarative(&upstream, 0)).start();
    let worker = gateway.worker();
    (1..=40).for_each(|round| change(&gateway, &upstream, round));
    let early = settled(&gateway, worker);
    (41..=rounds(80)).for_each(|round| change(&gateway, &upstream, round));
    assert_steady("worker process", early, settled(&gateway, worker));
    assert_eq!(gateway.worker(), worker);
}

#[test]
fn memory_after_many_reloads_is_what_it_was_after_a_few() {
    let upstream = Upstream::start();
    let gateway = Setup::declarative(declarative(&upstream, 0)).start();
    let measure = || {
        let worker = gateway.worker();
        (0..50).for_each(|index| assert_eq!(get(gateway.proxy, &format!("/{index}/"), &[]).status, 200));
        (gateway.resident(gateway.master()), gateway.resident(worker))
    };
    let reload = |_| assert!(gateway.reload().status.success());
    (0..5).for_each(reload);
    let early = measure();
    (5..rounds(20)).for_each(reload);
    let late = measure();
    assert_steady("master", early.0, late.0);
    assert_steady("worker process", early.1, late.1);
}
