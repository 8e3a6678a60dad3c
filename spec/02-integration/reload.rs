//! Reloading under load.

use crate::support::{Connection, Gateway, Setup, Upstream, get};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Clients that send requests without pause and count what goes wrong.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(port: u16, keep_alive: usize, fresh: usize) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |index: usize| {
            let (stop, answered) = (stop.clone(), answered.clone());
            thread::spawn(move || run_client(port, index < keep_alive, &stop, &answered))
        };
        let clients = (0..keep_alive + fresh).map(client).collect();
        Load { stop, answered, clients }
    }

    /// Stops the clients; the number of answers and every failure.
    fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self
            .clients
            .into_iter()
            .flat_map(|c| c.join().unwrap_or_else(|_| vec!["a client panicked".into()]));
        let failures = failures.collect();
        (self.answered.load(Ordering::Relaxed), failures)
    }
}

fn run_client(port: u16, keep_alive: bool, stop: &AtomicBool, answered: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut connection = Connection::open(port);
    while !stop.load(Ordering::Relaxed) {
        connection.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        match connection.try_reply(false) {
            Some(reply) if reply.status == 200 => {
                answered.fetch_add(1, Ordering::Relaxed);
                let closing = reply.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                if closing || !keep_alive {
                    connection = Connection::open(port);
                }
            }
            Some(reply) => failures.push(format!("{} {}", reply.status, reply.text())),
            None => {
                failures.push("closed without an answer".into());
                connection = Connection::open(port);
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    failures
}

fn echo_gateway(upstream: &Upstream, answer: &str) -> Gateway {
    Setup::declarative(declarative(upstream, answer)).start()
}

fn declarative(upstream: &Upstream, answer: &str) -> String {
    format!(
        "_format_version: '3.0'
services:
- name: s
  url: {}
  routes:
  # Named: a route without a name gets a new id, and so new counters, each time the file is read.
  - name: r
    paths: [/]
    plugins:
    - name: rate-limiting
      config: {{ hour: 1000000, policy: local, limit_by: service }}
    - name: response-transformer
      config: {{ add: {{ headers: ['X-Answer:{answer}'] }} }}
",
        upstream.url()
    )
}

fn counted(gateway: &Gateway) -> u64 {
    let reply = get(gateway.proxy, "/", &[]);
    1_000_000
        - reply.field("X-RateLimit-Remaining-Hour").expect("a counter").parse::<u64>().expect("a number")
}

#[test]
fn no_request_is_lost_over_reloads_and_counters_survive() {
    let upstream = Upstream::start();
    let mut gateway = echo_gateway(&upstream, "a");
    let load = Load::start(gateway.proxy, 16, 4);
    for round in 0..6 {
        gateway.properties.insert("nginx_main_worker_processes".into(), (1 + round % 3).to_string());
        gateway.write_conf();
        let output = gateway.reload();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Kong reloaded\n");
        thread::sleep(Duration::from_millis(150));
    }
    let (answered, failures) = load.finish();
    assert!(
        failures.is_empty(),
        "{} of {answered}: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    assert_eq!(counted(&gateway), answered + 1);
}

#[test]
fn a_changed_declarative_file_is_live_without_a_lost_request_and_a_broken_one_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "first");
    let answer = |gateway: &Gateway| get(gateway.proxy, "/", &[]).field("X-Answer").map(str::to_string);
    let load = Load::start(gateway.proxy, 8, 2);
    let workers = gateway.workers();
    for text in ["second", "third"] {
        std::fs::write(gateway.declarative_file(), declarative(&upstream, text)).unwrap();
        gateway.eventually(text, |gateway| answer(gateway).as_deref() == Some(text));
    }
    std::fs::write(gateway.declarative_file(), "_format_version: '3.0'\nservices:\n- port: x\n").unwrap();
    gateway.wait_for_log("expected an integer");
    assert_eq!(answer(&gateway).as_deref(), Some("third"));
    assert_eq!(gateway.workers(), workers);
    let (answered, failures) = load.finish();
    assert!(
        failures.is_empty(),
        "{} of {answered}: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
}

#[test]
fn a_broken_kong_conf_keeps_the_running_configuration_and_says_why() {
    let upstream = Upstream::start();
    let mut gateway = echo_gateway(&upstream, "a");
    let workers = gateway.workers();
    gateway.properties.insert("log_level".into(), "loud".into());
    gateway.write_conf();
    let output = gateway.reload();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("log_level has an invalid value: 'loud'"), "{said}");
    assert_eq!(gateway.workers(), workers);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);

    gateway.properties.insert("log_level".into(), "notice".into());
    gateway.write_conf();
    gateway.eventually("a new worker process", |gateway| gateway.workers() != workers);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}

#[test]
fn a_killed_worker_process_is_replaced_within_a_second() {
    let upstream = Upstream::start();
    let gateway = echo_gateway(&upstream, "a");
    let before = counted(&gateway);
    for pid in gateway.workers() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
    }
    let started = std::time::Instant::now();
    let mut connection = Connection::open(gateway.proxy);
    connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.reply(false).status, 200);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(counted(&gateway), before + 2);
}
