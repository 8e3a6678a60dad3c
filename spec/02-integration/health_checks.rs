//! Active health checks, and what the APIs tell of upstreams.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Gateway, Setup, free_port, get, request};
use serde_json::{Value, json};

/// An upstream whose answer to probes can be changed; it keeps the heads of its requests.
#[derive(Clone)]
struct Target {
    port: u16,
    /// The status of its answers; 0 for none at all, 1 for what is no HTTP.
    status: Arc<AtomicU16>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Target {
    fn start() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            port: listener.local_addr().unwrap().port(),
            status: Arc::new(AtomicU16::new(200)),
            seen: Arc::default(),
        };
        let own = target.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = vec![0; 4096];
                let count = stream.read(&mut head).unwrap_or(0);
                own.seen.lock().unwrap().push(String::from_utf8_lossy(&head[..count]).into_owned());
                match own.status.load(Ordering::SeqCst) {
                    0 => kept.push(stream),
                    1 => drop(stream.write_all(b"what?\r\n")),
                    status => {
                        let answer =
                            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                        let _ = stream.write_all(answer.as_bytes());
                    }
                }
            }
        });
        target
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

const ACTIVE: &str = "healthchecks: { active: { http_path: /alive, timeout: 0.3, headers: { X-Probe: [a, b] }, \
                      healthy: { interval: 0.1, successes: 2 }, \
                      unhealthy: { interval: 0.1, http_failures: 2, tcp_failures: 2, timeouts: 2 } } }";

fn start(upstream: &str, targets: &[String]) -> Gateway {
    let targets: String = targets.iter().map(|target| format!("{{ target: '{target}' }}, ")).collect();
    Setup::declarative(format!(
        "_format_version: '3.0'\nupstreams: [{{ name: u, {upstream}, targets: [{targets}] }}]\n\
         services: [{{ host: u, retries: 0, routes: [{{ paths: [/] }}] }}]\n"
    ))
    .start()
}

fn health(port: u16) -> Vec<(String, String)> {
    let reply = get(port, "/upstreams/u/health", &[]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        body["data"].as_array().unwrap().iter().map(|t| (text(&t["target"]), text(&t["health"]))).collect();
    all.sort();
    all
}

fn wait_for(gateway: &Gateway, target: &str, wanted: &str) {
    gateway.eventually(&format!("{target} {wanted}"), |gateway| {
        health(gateway.admin).contains(&(target.to_owned(), wanted.to_owned()))
    });
}

#[test]
fn a_target_that_fails_its_probes_gets_no_requests_until_it_passes_them_again() {
    let (good, bad) = (Target::start(), Target::start());
    let name = format!("127.0.0.1:{}", bad.port);
    let gateway = start(ACTIVE, &[format!("127.0.0.1:{}", good.port), name.clone()]);
    let statuses = || -> Vec<u16> { (0..6).map(|_| get(gateway.proxy, "/", &[]).status).collect() };
    wait_for(&gateway, &name, "HEALTHY");
    for (failure, counted) in [(500, "HTTP"), (0, "TIMEOUT"), (1, "HTTP")] {
        bad.answer(failure);
        wait_for(&gateway, &name, "UNHEALTHY");
        assert_eq!(statuses(), [200; 6], "{failure}");
        gateway.wait_for_log(&format!(":u) unhealthy {counted} increment (2/2) for '127.0.0.1({name})'"));
        bad.answer(200);
        wait_for(&gateway, &name, "HEALTHY");
        gateway.wait_for_log(&format!(":u) healthy SUCCESS increment (2/2) for '127.0.0.1({name})'"));
        let before = bad.seen.lock().unwrap().iter().filter(|head| head.starts_with("GET / ")).count();
        assert_eq!(statuses(), [200; 6]);
        let after = bad.seen.lock().unwrap().iter().filter(|head| head.starts_with("GET / ")).count();
        assert!(after > before, "it is back");
    }
    let probe = bad.seen.lock().unwrap().iter().find(|head| head.starts_with("GET /alive")).cloned().unwrap();
    assert_eq!(probe, "GET /alive HTTP/1.0\r\nX-Probe: a\r\nX-Probe: b\r\nHost: 127.0.0.1\r\n\r\n");
}

#[test]
fn a_target_that_refuses_connections_is_out_and_without_any_the_upstream_is_too() {
    let target = format!("127.0.0.1:{}", free_port());
    let gateway = start(&format!("host_header: shown.test, {ACTIVE}"), std::slice::from_ref(&target));
    wait_for(&gateway, &target, "UNHEALTHY");
    let reply = get(gateway.proxy, "/", &[("Accept", "application/json")]);
    let told = (reply.status, reply.json()["message"].as_str().unwrap().to_owned());
    assert_eq!(told, (503, "failure to get a peer from the ring-balancer".to_owned()));
    let whole = get(gateway.admin, "/upstreams/u/health?balancer_health=1", &[]).json();
    assert_eq!(whole["data"]["health"], "UNHEALTHY", "{whole}");
    assert_eq!(whole["data"]["balancer_health"], "UNHEALTHY");
    assert_eq!(whole["data"]["details"]["weight"], json!({"total": 100, "unavailable": 100, "available": 0}));
    assert_eq!(whole["data"]["details"]["hosts"][0]["addresses"][0]["healthy"], false);
}

#[test]
fn what_is_known_of_targets_is_told_in_full_by_both_apis() {
    let target = Target::start();
    let (name, nowhere) = (format!("127.0.0.1:{}", target.port), "nowhere.invalid:80".to_owned());
    let gateway = start("algorithm: round-robin", &[name.clone(), nowhere.clone()]);
    wait_for(&gateway, &name, "HEALTHCHECKS_OFF");
    for port in [gateway.admin, gateway.status] {
        let body = get(port, "/upstreams/u/health", &[]).json();
        assert_eq!(body["next"], Value::Null);
        assert_eq!(body["node_id"], get(gateway.admin, "/", &[]).json()["node_id"]);
        let rows = body["data"].as_array().unwrap();
        let row = |name: &str| rows.iter().find(|row| row["target"] == name).unwrap();
        assert_eq!(row(&nowhere)["health"], "DNS_ERROR", "{body}");
        assert_eq!(
            row(&name)["data"],
            json!({
                "host": "127.0.0.1", "port": target.port, "dns": "A", "nodeWeight": 100,
                "weight": {"total": 100, "unavailable": 0, "available": 100},
                "addresses": [
                    {"ip": "127.0.0.1", "port": target.port, "weight": 100, "health": "HEALTHCHECKS_OFF"}
                ],
            })
        );
        assert_eq!(get(port, "/upstreams/none/health", &[]).status, 404);
        assert_eq!(get(port, "/upstreams/u/targets", &[]).json()["data"].as_array().unwrap().len(), 2);
    }
    let whole = get(gateway.status, "/upstreams/u/health?balancer_health=1", &[]).json();
    assert_eq!(whole["data"]["health"], "HEALTHCHECKS_OFF", "{whole}");
    assert_eq!(whole["data"]["balancer_health"], "HEALTHY");
}

#[test]
fn health_is_set_by_hand_where_checks_are_on() {
    let (one, other) = (Target::start(), Target::start());
    let names = [format!("127.0.0.1:{}", one.port), format!("127.0.0.1:{}", other.port)];
    let passive = "healthchecks: { passive: { unhealthy: { http_failures: 1 }, healthy: { successes: 0 } } }";
    let gateway = start(passive, &names);
    wait_for(&gateway, &names[0], "HEALTHY");
    let put =
        |path: &str| request(gateway.admin, "PUT", &format!("/upstreams/u/targets/{path}"), &[], b"").status;
    for (path, health) in [
        (format!("{}/unhealthy", names[0]), "UNHEALTHY"),
        (format!("{}/healthy", names[0]), "HEALTHY"),
        (format!("{0}/{0}/unhealthy", names[0]), "UNHEALTHY"),
        (format!("{0}/{0}/healthy", names[0]), "HEALTHY"),
    ] {
        assert_eq!(put(&path), 204, "{path}");
        wait_for(&gateway, &names[0], health);
    }
    assert_eq!(put("1.2.3.4:5/healthy"), 404);
    // what responses of the workers find out is known here, too
    one.answer(500);
    gateway.eventually("a failure", |gateway| {
        get(gateway.proxy, "/", &[]);
        health(gateway.admin).contains(&(names[0].clone(), "UNHEALTHY".to_owned()))
    });
    gateway.wait_for_log(&format!(":u) unhealthy HTTP increment (1/1) for '127.0.0.1({})'", names[0]));
    // and outlives a reload, and a worker process that crashed
    one.answer(200);
    let asked = one.seen.lock().unwrap().len();
    let is_left_out = || {
        let fared = [(names[0].clone(), "UNHEALTHY".to_owned()), (names[1].clone(), "HEALTHY".to_owned())];
        fared.iter().all(|target| health(gateway.admin).contains(target))
            && (0..6).all(|_| get(gateway.proxy, "/", &[]).status == 200)
            && one.seen.lock().unwrap().len() == asked
    };
    assert!(gateway.reload().status.success());
    assert!(is_left_out());
    let victim = gateway.worker();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(victim.cast_signed()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    gateway.eventually("another worker process", |gateway| !gateway.workers().contains(&victim));
    assert!(is_left_out());

    let gateway = start("algorithm: round-robin", &names);
    let reply =
        request(gateway.admin, "PUT", &format!("/upstreams/u/targets/{}/healthy", names[0]), &[], b"");
    assert_eq!((reply.status, &reply.json()["message"]), (400, &"no healthchecker found for u".into()));
}

#[test]
fn probes_over_tls_verify_unless_told_otherwise() {
    let server = Setup::declarative(
        "_format_version: '3.0'\nroutes: [{ paths: [/], plugins: [{ name: request-termination, config: { status_code: 200 } }] }]\n",
    )
    .start();
    let target = format!("127.0.0.1:{}", server.tls);
    let active = |verify: bool| {
        format!(
            "healthchecks: {{ active: {{ type: https, https_sni: sni.test, https_verify_certificate: {verify}, \
             healthy: {{ interval: 0.1 }}, unhealthy: {{ interval: 0.1, tcp_failures: 1 }} }} }}"
        )
    };
    let gateway = start(&active(true), std::slice::from_ref(&target));
    wait_for(&gateway, &target, "UNHEALTHY");
    gateway.wait_for_log("failed SSL handshake with '127.0.0.1 (");
    gateway.wait_for_log("using server name (sni) 'sni.test'");
    let gateway = start(&active(false), std::slice::from_ref(&target));
    wait_for(&gateway, &target, "HEALTHY");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(health(gateway.admin), [(target, "HEALTHY".to_owned())]);
}
