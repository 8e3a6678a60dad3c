//! Balancers over literal addresses and hosts-file names: who gets which request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::dns::{DnsOptions, Hosts, Resolver};

const UPSTREAM: &str = "up";

fn spec(algorithm: Algorithm, targets: &[(&str, u32)]) -> UpstreamSpec {
    UpstreamSpec {
        name: UPSTREAM.to_owned(),
        algorithm,
        targets: targets.iter().map(|(target, weight)| TargetSpec::new(target, *weight).unwrap()).collect(),
        ..Default::default()
    }
}

fn balancers(spec: UpstreamSpec) -> Balancers {
    let hosts = Hosts::parse("10.1.0.1 one\n10.1.0.2 two\n");
    let dns = Resolver::new(DnsOptions { hosts, ..Default::default() });
    let balancers = Balancers::new(dns, Arc::default());
    balancers.update([Arc::new(spec)]);
    balancers
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

async fn pick(balancers: &Balancers, hash: &str, tried: &[AddressId]) -> Result<Peer, BalancerError> {
    let input = PickInput { host: UPSTREAM, hash, tried, ..Default::default() };
    balancers.pick(&input).await
}

/// How often each port was picked.
async fn shares(balancers: &Balancers, picks: usize) -> HashMap<u16, usize> {
    let mut shares = HashMap::new();
    for number in 0..picks {
        let peer = pick(balancers, &number.to_string(), &[]).await.unwrap();
        *shares.entry(peer.port).or_default() += 1;
        balancers.release(UPSTREAM, &peer);
    }
    shares
}

fn checks() -> Checks {
    Checks {
        unhealthy_statuses: vec![500],
        http_failures: 1,
        healthy_statuses: vec![200],
        successes: 1,
        ..Default::default()
    }
}

#[test]
fn round_robin_gives_each_target_exactly_its_share() {
    run(async {
        let balancers = balancers(spec(
            Algorithm::RoundRobin,
            &[("10.0.0.1:1", 100), ("10.0.0.2:2", 50), ("10.0.0.3:3", 0)],
        ));
        assert_eq!(shares(&balancers, 300).await, HashMap::from([(1, 200), (2, 100)]));
    });
}

#[test]
fn weights_without_a_common_divisor_keep_their_proportions() {
    run(async {
        let targets: Vec<(String, u32)> = (1..41).map(|n| (format!("10.0.0.{n}:{n}"), 65_535 - n)).collect();
        let targets: Vec<(&str, u32)> =
            targets.iter().map(|(target, weight)| (target.as_str(), *weight)).collect();
        let balancers = balancers(spec(Algorithm::RoundRobin, &targets));
        assert_eq!(shares(&balancers, 4000).await.len(), 40);
    });
}

#[test]
fn names_of_targets_are_the_host_names_upstream() {
    run(async {
        let named = balancers(spec(Algorithm::RoundRobin, &[("one:1", 1)]));
        let peer = pick(&named, "", &[]).await.unwrap();
        assert_eq!((peer.ip.to_string().as_str(), peer.hostname.as_deref()), ("10.1.0.1", Some("one")));
        let literal = balancers(spec(Algorithm::RoundRobin, &[("10.0.0.1:1", 1)]));
        assert_eq!(pick(&literal, "", &[]).await.unwrap().hostname.as_deref(), Some("10.0.0.1"));
        let header = UpstreamSpec {
            host_header: Some("h.com".into()),
            ..spec(Algorithm::RoundRobin, &[("one:1", 1)])
        };
        assert_eq!(pick(&balancers(header), "", &[]).await.unwrap().hostname.as_deref(), Some("h.com"));
    });
}

#[test]
fn a_host_that_is_no_upstream_is_resolved() {
    run(async {
        let balancers = balancers(spec(Algorithm::RoundRobin, &[]));
        let peer = balancers.pick(&PickInput { host: "two", port: 8, ..Default::default() }).await.unwrap();
        assert_eq!((peer.ip.to_string().as_str(), peer.port, peer.address), ("10.1.0.2", 8, None));
        let failed =
            balancers.pick(&PickInput { host: "nowhere", port: 8, ..Default::default() }).await.unwrap_err();
        assert_eq!(failed.status(), 500);
        assert_eq!(failed.message(), "failed to create a resolver: no nameservers specified");
    });
}

#[test]
fn an_upstream_without_targets_has_no_peer() {
    run(async {
        let failed = pick(&balancers(spec(Algorithm::RoundRobin, &[])), "", &[]).await.unwrap_err();
        assert_eq!(
            (failed.status(), failed.message().as_str()),
            (503, "failure to get a peer from the ring-balancer")
        );
    });
}

#[test]
fn consistent_hashing_is_stable_and_roughly_even() {
    run(async {
        let targets = [("10.0.0.1:1", 100), ("10.0.0.2:2", 100), ("10.0.0.3:3", 50)];
        let first = balancers(spec(Algorithm::ConsistentHashing, &targets));
        let second = balancers(spec(Algorithm::ConsistentHashing, &[targets[2], targets[0], targets[1]]));
        for value in ["a", "b", "", "x y z", "10.0.0.1"] {
            let port = pick(&first, value, &[]).await.unwrap().port;
            assert_eq!(port, pick(&second, value, &[]).await.unwrap().port);
            assert_eq!(port, pick(&first, value, &[]).await.unwrap().port);
        }
        let shares = shares(&first, 5000).await;
        assert!((1600..2400).contains(&shares[&1]), "{shares:?}");
        assert!((700..1300).contains(&shares[&3]), "{shares:?}");
    });
}

#[test]
fn removing_a_target_moves_only_its_own_values() {
    run(async {
        let all = balancers(spec(
            Algorithm::ConsistentHashing,
            &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10), ("10.0.0.3:3", 10)],
        ));
        let fewer = balancers(spec(Algorithm::ConsistentHashing, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)]));
        let mut moved = 0;
        for value in 0..1000 {
            let value = value.to_string();
            let before = pick(&all, &value, &[]).await.unwrap().port;
            let after = pick(&fewer, &value, &[]).await.unwrap().port;
            moved += usize::from(before != 3 && before != after);
        }
        assert!(moved < 50, "{moved} of 1000 moved");
    });
}

#[test]
fn least_connections_evens_out_what_is_under_way() {
    run(async {
        let balancers =
            balancers(spec(Algorithm::LeastConnections, &[("10.0.0.1:1", 20), ("10.0.0.2:2", 10)]));
        let mut peers = Vec::new();
        for _ in 0..30 {
            peers.push(pick(&balancers, "", &[]).await.unwrap());
        }
        let on_first = peers.iter().filter(|peer| peer.port == 1).count();
        assert_eq!(on_first, 20);
        peers.iter().filter(|peer| peer.port == 2).for_each(|peer| balancers.release(UPSTREAM, peer));
        assert_eq!(pick(&balancers, "", &[]).await.unwrap().port, 2);
    });
}

#[test]
fn retries_choose_another_address() {
    run(async {
        for algorithm in [Algorithm::LeastConnections, Algorithm::Latency, Algorithm::RoundRobin] {
            let balancers = balancers(spec(algorithm, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)]));
            let first = pick(&balancers, "", &[]).await.unwrap();
            let second = pick(&balancers, "", &[first.address.unwrap()]).await.unwrap();
            assert_ne!(first.port, second.port, "{algorithm:?}");
        }
    });
}

#[test]
fn latency_prefers_the_quicker_address() {
    run(async {
        let balancers = balancers(spec(Algorithm::Latency, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)]));
        tokio::time::pause();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_millis(100)).await;
            let peer = pick(&balancers, "", &[]).await.unwrap();
            let seconds = if peer.port == 1 { 0.5 } else { 0.01 };
            balancers.report_latency(UPSTREAM, &peer, seconds);
        }
        let shares = shares(&balancers, 100).await;
        assert_eq!(shares.get(&2), Some(&100), "{shares:?}");
    });
}

#[test]
fn failing_addresses_are_left_out_in_every_worker() {
    run(async {
        for algorithm in [
            Algorithm::RoundRobin,
            Algorithm::ConsistentHashing,
            Algorithm::LeastConnections,
            Algorithm::Latency,
        ] {
            let spec = UpstreamSpec {
                passive: Some(checks()),
                ..spec(algorithm, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)])
            };
            let boards: Arc<HealthBoards> = Arc::default();
            let workers: Vec<Balancers> = (0..2)
                .map(|_| {
                    let worker = Balancers::new(Resolver::new(DnsOptions::default()), boards.clone());
                    worker.update([Arc::new(spec.clone())]);
                    worker
                })
                .collect();
            for worker in &workers {
                pick(worker, "", &[]).await.unwrap();
            }
            let peer = pick(&workers[0], "", &[]).await.unwrap();
            workers[0].report(UPSTREAM, &peer, Outcome::Status(500));
            for worker in &workers {
                let shares = shares(worker, 50).await;
                assert_eq!(shares.get(&peer.port), None, "{algorithm:?}");
                assert_eq!(shares.len(), 1);
            }
            let other = pick(&workers[1], "", &[]).await.unwrap();
            workers[1].report(UPSTREAM, &other, Outcome::Status(500));
            assert_eq!(pick(&workers[0], "", &[]).await, Err(BalancerError::Unhealthy));
            workers[0].balancer(UPSTREAM).unwrap().borrow_mut().set_available("10.0.0.1", None, 1, true);
            assert_eq!(pick(&workers[1], "", &[]).await.unwrap().port, 1);
        }
    });
}

#[test]
fn the_threshold_makes_an_upstream_unhealthy_before_all_is_lost() {
    run(async {
        let spec = UpstreamSpec {
            threshold: 50.0,
            passive: Some(checks()),
            ..spec(Algorithm::RoundRobin, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)])
        };
        let balancers = balancers(spec);
        let peer = pick(&balancers, "", &[]).await.unwrap();
        balancers.report(UPSTREAM, &peer, Outcome::Status(500));
        assert_eq!(pick(&balancers, "", &[]).await, Err(BalancerError::Unhealthy));
        let balancer = balancers.balancer(UPSTREAM).unwrap();
        let status = balancer.borrow().status();
        assert_eq!(status.iter().map(|target| target.unavailable_weight).sum::<u64>(), 10);
        assert_eq!(status[0].dns, "A");
    });
}

#[test]
fn an_unchanged_upstream_keeps_its_state_across_snapshots() {
    run(async {
        let spec = spec(Algorithm::LeastConnections, &[("10.0.0.1:1", 10), ("10.0.0.2:2", 10)]);
        let balancers = balancers(spec.clone());
        let peer = pick(&balancers, "", &[]).await.unwrap();
        balancers.update([Arc::new(spec.clone())]);
        assert_ne!(pick(&balancers, "", &[]).await.unwrap().port, peer.port);
        balancers.update([]);
        assert!(balancers.balancer(UPSTREAM).is_none());
    });
}

struct Source;

impl HashSource for Source {
    fn consumer(&self) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
    fn ip(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("1.2.3.4".into())
    }
    fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        (name == "x").then(|| "h".into())
    }
    fn cookie(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
    fn path(&self) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
    fn query_arg(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
    fn uri_capture(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}

#[test]
fn the_hashed_value_falls_back_and_cookies_are_made_up() {
    let value = |hash_on, hash_fallback| {
        let spec = UpstreamSpec { hash_on, hash_fallback, ..Default::default() };
        let (value, cookie) = hash_value(&spec, &Source);
        (value.into_owned(), cookie)
    };
    assert_eq!(value(HashOn::Header("x".into()), HashOn::Ip).0, "h");
    assert_eq!(value(HashOn::Consumer, HashOn::Ip).0, "1.2.3.4");
    assert_eq!(value(HashOn::Consumer, HashOn::None).0, "");
    assert_eq!(value(HashOn::None, HashOn::Ip).0, "");
    let cookie = HashOn::Cookie { name: "c".into(), path: "/p".into() };
    let (value, set) = value(HashOn::Consumer, cookie);
    let field = set.unwrap().field_value();
    assert_eq!(field, format!("c={value}; Path=/p; Same-Site=Lax; HttpOnly"));
}
